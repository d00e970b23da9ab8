/**
 * A short tone for a new alert. Browsers allow sound only after a gesture, so `ready` says whether there was one; the
 * operator's choice is kept in this browser.
 */

const KEPT_AS = "nightjar.sound";
const SHORTEST_PAUSE_MS = 1_000;
const TONES_HZ = [880, 1175];
const TONE_S = 0.11;
const VOLUME = 0.2;

export class Sound {
  #context: AudioContext | null = null;
  #wanted = localStorage.getItem(KEPT_AS) !== "off";
  #lastPlayed_ms = -Infinity;

  get wanted(): boolean {
    return this.#wanted;
  }

  get ready(): boolean {
    return this.#context?.state === "running";
  }

  toggle(): void {
    this.#wanted = !this.#wanted;
    localStorage.setItem(KEPT_AS, this.#wanted ? "on" : "off");
  }

  /** To be called from a gesture; resolves once sound is allowed. */
  async wake(): Promise<void> {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") await this.#context.resume();
  }

  /** Two rising tones, at most once a second however many alerts there are. */
  play(): void {
    const context = this.#context;
    const now_ms = performance.now();
    if (!this.#wanted || context?.state !== "running" || now_ms - this.#lastPlayed_ms < SHORTEST_PAUSE_MS) return;
    this.#lastPlayed_ms = now_ms;
    TONES_HZ.forEach((tone_hz, index) => {
      const from_s = context.currentTime + index * TONE_S;
      const oscillator = new OscillatorNode(context, { frequency: tone_hz });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, from_s);
      gain.gain.linearRampToValueAtTime(VOLUME, from_s + 0.01);
      gain.gain.linearRampToValueAtTime(0, from_s + TONE_S);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(from_s);
      oscillator.stop(from_s + TONE_S);
    });
  }
}
