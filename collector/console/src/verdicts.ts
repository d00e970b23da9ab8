/**
 * Verdicts on their way to the collector, and those that did not get there.
 *
 * One at a time for each incident, in the order given: who corrects a slip at once is not overtaken by it. A failure
 * stays with its incident until it is tried again.
 */
import * as api from "./api.ts";
import type { Incident, VerdictWord } from "./records.ts";
import { verdictText } from "./shot-wording.ts";

export interface GivenVerdict {
  readonly verdict: VerdictWord;
  /** What it was, for "other". */
  readonly what: string | null;
}

export interface VerdictState {
  /** The verdict that the collector has not answered yet. */
  readonly sending: GivenVerdict | null;
  /** Why the last one was not recorded, in words; empty if it was. */
  readonly failure: string;
}

const NOTHING: VerdictState = { sending: null, failure: "" };

export interface VerdictListener {
  /** What {@link Verdicts.of} says of some incident has changed. */
  changed(): void;
  /** The collector has recorded a verdict; this is the incident with it. */
  recorded(incident: Incident): void;
  ended(message: string): void;
}

export class Verdicts {
  readonly #listener: VerdictListener;
  readonly #states = new Map<number, VerdictState>();
  readonly #next = new Map<number, GivenVerdict>();
  #turn = 0;

  constructor(listener: VerdictListener) {
    this.#listener = listener;
  }

  of(incident: number): VerdictState {
    return this.#states.get(incident) ?? NOTHING;
  }

  /** End the session: answers to it are nobody's. What failed is kept for the same user. */
  close(): void {
    this.#turn++;
    this.#next.clear();
    for (const [id, { failure }] of this.#states) this.#states.set(id, { sending: null, failure });
  }

  forget(): void {
    this.#states.clear();
  }

  async give(incident: number, given: GivenVerdict): Promise<void> {
    if (this.of(incident).sending !== null) {
      this.#next.set(incident, given);
      return;
    }
    const turn = this.#turn;
    this.#say(incident, { sending: given, failure: "" });
    try {
      const judged = await api.judge(incident, given.verdict, given.what);
      if (turn !== this.#turn) return;
      this.#say(incident, NOTHING);
      this.#listener.recorded(judged);
    } catch (error) {
      if (turn !== this.#turn) return;
      const ended = error instanceof api.SessionEnded;
      const said = verdictText(given);
      const unknown = error instanceof api.Unreachable;
      const why = ended ? "the session had ended" : (error as Error).message;
      this.#say(incident, { sending: null, failure: `${said} ${unknown ? "may not be" : "is not"} recorded: ${why}.${unknown ? " Trying again is safe." : ""}` });
      if (ended) this.#listener.ended(`Your session has ended. The verdict "${said}" was not recorded: log in and try again.`);
    }
    const next = this.#next.get(incident);
    this.#next.delete(incident);
    if (next !== undefined && turn === this.#turn) await this.give(incident, next);
  }

  #say(incident: number, state: VerdictState): void {
    if (state === NOTHING) this.#states.delete(incident);
    else this.#states.set(incident, state);
    this.#listener.changed();
  }
}
