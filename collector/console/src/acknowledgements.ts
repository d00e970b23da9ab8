/**
 * Acknowledgements on their way to the collector, and those that did not get there.
 *
 * One that failed stays on its alert until it is tried again or seen to be recorded.
 */
import * as api from "./api.ts";
import type { Alert } from "./records.ts";
import { subjectText } from "./wording.ts";

export interface AcknowledgementListener {
  /** What is said of some alert has changed. */
  changed(): void;
  /** The collector has recorded it; this is the alert as it is now. */
  recorded(alert: Alert): void;
  ended(message: string): void;
}

export class Acknowledgements {
  readonly #listener: AcknowledgementListener;
  readonly #sending = new Set<number>();
  readonly #failures = new Map<number, string>();
  #turn = 0;

  constructor(listener: AcknowledgementListener) {
    this.#listener = listener;
  }

  sending(alert: number): boolean {
    return this.#sending.has(alert);
  }

  /** Why the last one failed; null if none did. */
  failure(alert: number): string | null {
    return this.#failures.get(alert) ?? null;
  }

  /** The alert is seen to be acknowledged, or closed. */
  settled(alert: number): void {
    this.#failures.delete(alert);
  }

  /** End the session: answers to it are nobody's. What failed is kept for the same user. */
  close(): void {
    this.#turn++;
    this.#sending.clear();
  }

  forget(): void {
    this.#failures.clear();
  }

  async give(alert: Alert): Promise<void> {
    const { id } = alert;
    const turn = this.#turn;
    if (alert.state !== "new" || this.#sending.has(id)) return;
    this.#sending.add(id);
    this.#failures.delete(id);
    this.#listener.changed();
    try {
      const acknowledged = await api.acknowledge(id);
      if (turn === this.#turn) this.#listener.recorded(acknowledged);
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof api.SessionEnded) {
        this.#failures.set(id, "the session had ended");
        const subject = subjectText(alert);
        this.#listener.ended(`Your session has ended. The alert for ${subject} was not acknowledged: log in and try again.`);
        return;
      }
      const safe = error instanceof api.Unreachable ? " Trying again is safe." : "";
      this.#failures.set(id, `${(error as Error).message}.${safe}`);
    } finally {
      if (turn === this.#turn) {
        this.#sending.delete(id);
        this.#listener.changed();
      }
    }
  }
}
