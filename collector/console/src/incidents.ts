/**
 * The incidents on the desk: what is known of them, the quiet list of those that called nobody, and what was said of
 * them before.
 */
import * as api from "./api.ts";
import { byId, setShown, setText } from "./dom.ts";
import { HeardList } from "./heard-list.ts";
import { IncidentBook } from "./incident-book.ts";
import type { EarlierVerdict, Incident } from "./records.ts";

const PAGE_LIMIT = 50;
const ASK_AGAIN_MS = 3_000;

export interface IncidentsListener {
  /** Something that is shown has changed. */
  changed(): void;
  select(incident: number): void;
  ended(message: string): void;
}

export class Incidents {
  readonly #book = new IncidentBook();
  readonly #listener: IncidentsListener;
  readonly #list: HeardList;
  readonly #older = byId("heard-older", HTMLButtonElement);
  readonly #count = byId("heard-count", HTMLElement);
  readonly #told = new Set<number>();
  /** The verdicts given to an incident, and up to which revision they were asked for. */
  readonly #earlier = new Map<number, { revision: number; verdicts: readonly EarlierVerdict[] }>();
  readonly #asked = new Set<string>();
  /** Below this number the collector has not been asked yet; null once there is nothing below. */
  #askedDownTo: number | null = null;
  #turn = 0;

  constructor(listener: IncidentsListener) {
    this.#listener = listener;
    const none = byId("heard-none", HTMLParagraphElement);
    this.#list = new HeardList(byId("heard-list", HTMLOListElement), none, (id) => listener.select(id));
    this.#older.addEventListener("click", () => void this.#listOlder());
  }

  get(id: number): Incident | undefined {
    return this.#book.get(id);
  }

  /** Those that the quiet list shows, newest first. */
  get notAlerted(): number[] {
    return this.#book.notAlerted().map((incident) => incident.id);
  }

  close(): void {
    this.#turn++;
    this.#book.clear();
    this.#list.clear();
    this.#told.clear();
    this.#earlier.clear();
    this.#asked.clear();
    this.#askedDownTo = null;
    setText(this.#count, "");
    setShown(this.#older, false);
  }

  /** Take an incident as the stream says it is now. */
  arrived(incident: Incident, keep: number | null): void {
    this.#told.add(incident.id);
    this.#book.apply(incident, keep);
  }

  /** Those that the stream has told of since the lists were asked for. */
  *told(): Iterable<Incident> {
    for (const id of this.#told) {
      const incident = this.#book.get(id);
      if (incident !== undefined) yield incident;
    }
  }

  beginList(): void {
    this.#told.clear();
  }

  async catchUp(keep: number | null): Promise<void> {
    const turn = this.#turn;
    const listed = await api.incidents(PAGE_LIMIT);
    if (turn !== this.#turn) return;
    this.#book.merge(listed, this.#told, keep);
    if (this.#askedDownTo === null) this.#askedDown(listed);
  }

  show(selected: number | null): void {
    const incidents = this.#book.notAlerted();
    this.#list.show(incidents, selected);
    setText(this.#count, incidents.length === 0 ? "" : String(incidents.length));
  }

  reveal(id: number): void {
    this.#list.reveal(id);
  }

  /** Ask for one that the page has not heard of; undefined if the collector does not keep it or cannot be asked. */
  async ask(id: number): Promise<Incident | undefined> {
    const turn = this.#turn;
    const known = this.#book.get(id);
    if (known !== undefined) return known;
    try {
      const incident = await api.incident(id);
      if (turn !== this.#turn) return undefined;
      this.#book.apply(incident, id);
    } catch (error) {
      if (turn === this.#turn && error instanceof api.SessionEnded) this.#listener.ended("Your session has ended: log in again.");
    }
    return turn === this.#turn ? this.#book.get(id) : undefined;
  }

  /** What was said of an incident, oldest first, as far as it is known; asks where there is more to know. */
  verdicts(incident: Incident): readonly EarlierVerdict[] {
    const known = this.#earlier.get(incident.id);
    if (incident.verdict !== null && (known?.revision ?? 0) < incident.revision) void this.#askForVerdicts(incident);
    return known?.verdicts ?? [];
  }

  async #askForVerdicts({ id, revision }: Incident): Promise<void> {
    const turn = this.#turn;
    const key = `${id}/${revision}`;
    if (this.#asked.has(key)) return;
    this.#asked.add(key);
    try {
      const verdicts = await api.verdicts(id);
      if (turn !== this.#turn) return;
      this.#earlier.set(id, { revision, verdicts });
      this.#listener.changed();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof api.SessionEnded) this.#listener.ended("Your session has ended: log in again.");
    } finally {
      // What failed is asked for again when the incident is next painted, after a while.
      if (turn === this.#turn) window.setTimeout(() => this.#asked.delete(key), ASK_AGAIN_MS);
    }
  }

  async #listOlder(): Promise<void> {
    const turn = this.#turn;
    if (this.#askedDownTo === null) return;
    this.#older.disabled = true;
    try {
      const listed = await api.incidents(PAGE_LIMIT, this.#askedDownTo);
      if (turn !== this.#turn) return;
      this.#book.merge(listed, this.#told, null);
      this.#askedDown(listed);
      setText(this.#older, "Older");
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof api.SessionEnded) this.#listener.ended("Your session has ended: log in again.");
      setText(this.#older, `Older: ${(error as Error).message}`);
    } finally {
      this.#older.disabled = false;
    }
    this.#listener.changed();
  }

  #askedDown(listed: readonly Incident[]): void {
    const more = listed.length === PAGE_LIMIT && !this.#book.full;
    this.#askedDownTo = more ? Math.min(...listed.map((incident) => incident.id)) : null;
    setShown(this.#older, more);
  }
}
