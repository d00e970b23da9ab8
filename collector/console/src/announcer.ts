/** Calling the operator: a tone at once, and the words for a screen reader once for all that come together. */
import { setText } from "./dom.ts";
import type { Alert } from "./records.ts";
import type { Sound } from "./sound.ts";
import { spokenText } from "./wording.ts";

const SPEAK_AFTER_MS = 400;

export class Announcer {
  readonly #sound: Sound;
  readonly #spoken: HTMLElement;
  #unspoken: Alert[] = [];
  #timer: number | undefined;

  /** @param spoken the live region that screen readers read out. */
  constructor(sound: Sound, spoken: HTMLElement) {
    this.#sound = sound;
    this.#spoken = spoken;
  }

  /** Say something that has happened. */
  say(words: string): void {
    setText(this.#spoken, words);
  }

  /** Call for new alerts, the newest last. */
  call(alerts: readonly Alert[]): void {
    if (alerts.length === 0) return;
    this.#sound.play();
    this.#unspoken.push(...alerts);
    this.#timer ??= window.setTimeout(() => {
      this.#timer = undefined;
      const newest = this.#unspoken.at(-1);
      const count = this.#unspoken.length;
      this.#unspoken = [];
      if (newest !== undefined) this.say(`${count > 1 ? `${count} new alerts. ` : ""}${spokenText(newest)}`);
    }, SPEAK_AFTER_MS);
  }

  clear(): void {
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#unspoken = [];
    this.say("");
  }
}
