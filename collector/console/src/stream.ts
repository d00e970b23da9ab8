/**
 * The server-sent stream, kept open.
 *
 * The browser reconnects by itself, with Last-Event-ID, when the connection breaks. It does not when the answer is an
 * error, and it does not notice a connection that is dead without being closed: both are done here, and the new
 * stream then asks for what came after the last feed number heard. After every opening `opened` is called, so that
 * the page can ask for the lists and nothing is missed that the collector no longer replays. An open connection alone
 * is no sign of life, for something between may accept it and pass nothing on: only what was heard on it is.
 */
import { type Instant, type Liveness, age_ms, liveness, now, STALE_AFTER_MS } from "./liveness.ts";
import { Unreadable } from "./parsing.ts";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10_000;
const KINDS = ["alert", "read", "passage", "shot", "incident", "picture", "device"] as const;

export type Kind = (typeof KINDS)[number];

export interface Listener {
  /** The stream is open (again). */
  opened(): void;
  /** The collector sent a record; `record` is parsed JSON. Throws {@link Unreadable} if it is not what the API describes. */
  arrived(kind: Kind, record: unknown): void;
  /** Something arrived that could not be read: the lists say what it was. */
  unreadable(): void;
  /** The collector refused the stream, perhaps because the session ended; resolves once that is known. */
  refused(): Promise<void>;
  /** The collector's clock, from a heartbeat. */
  clock(collector_ms: number): void;
  /** Whether the collector hears its devices, from a heartbeat. */
  hearing(hearing: boolean): void;
}

export class Stream {
  readonly #listener: Listener;
  #source: EventSource | null = null;
  #begunAt: Instant | null = null;
  #lastHeard: Instant | null = null;
  #heardSinceOpened = false;
  #lastNumber = "";
  #retryTimer: number | undefined;
  #retry_ms = FIRST_RETRY_MS;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  get liveness(): Liveness {
    const open = this.#source?.readyState === EventSource.OPEN && this.#heardSinceOpened;
    return liveness(this.#lastHeard, open, now());
  }

  start(): void {
    this.stop();
    this.#lastHeard = null;
    this.#lastNumber = "";
    this.#retry_ms = FIRST_RETRY_MS;
    this.#open();
  }

  stop(): void {
    window.clearTimeout(this.#retryTimer);
    this.#source?.close();
    this.#source = null;
  }

  /** To be called about once a second: replaces a stream from which nothing has come for too long. */
  watch(): void {
    const at = now();
    if (this.#source === null || this.#begunAt === null) return;
    const quiet_ms = Math.min(age_ms(this.#begunAt, at), this.#lastHeard === null ? Infinity : age_ms(this.#lastHeard, at));
    if (quiet_ms >= STALE_AFTER_MS) this.#open();
  }

  #open(): void {
    window.clearTimeout(this.#retryTimer);
    this.#source?.close();
    const after = this.#lastNumber === "" ? "" : `?after=${encodeURIComponent(this.#lastNumber)}`;
    const source = new EventSource(`/api/stream${after}`);
    this.#source = source;
    this.#begunAt = now();
    this.#heardSinceOpened = false;
    source.onopen = () => {
      this.#retry_ms = FIRST_RETRY_MS;
      this.#heardSinceOpened = false;
      this.#listener.opened();
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && source === this.#source) void this.#reopenLater(source);
    };
    source.addEventListener("heartbeat", (message: MessageEvent<string>) => {
      this.#heard();
      const beat = this.#parse(message) as { at?: string; ingest?: string } | null;
      const at_ms = Date.parse(beat?.at ?? "");
      this.#listener.hearing(beat?.ingest === "connected");
      if (!Number.isNaN(at_ms)) this.#listener.clock(at_ms);
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (message: MessageEvent<string>) => {
        this.#heard();
        if (message.lastEventId !== "") this.#lastNumber = message.lastEventId;
        const record = this.#parse(message);
        if (record === null) return;
        try {
          this.#listener.arrived(kind, record);
        } catch (error) {
          if (!(error instanceof Unreadable)) throw error;
          this.#listener.unreadable();
        }
      });
    }
  }

  #parse(message: MessageEvent<string>): unknown {
    try {
      return JSON.parse(message.data) as unknown;
    } catch {
      this.#listener.unreadable();
      return null;
    }
  }

  #heard(): void {
    this.#lastHeard = now();
    this.#heardSinceOpened = true;
  }

  async #reopenLater(source: EventSource): Promise<void> {
    await this.#listener.refused();
    if (source !== this.#source) return; // Stopped or replaced while the session was being looked at.
    this.#retryTimer = window.setTimeout(() => this.#open(), this.#retry_ms);
    this.#retry_ms = Math.min(this.#retry_ms * 2, LONGEST_RETRY_MS);
  }
}
