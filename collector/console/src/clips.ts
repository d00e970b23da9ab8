/**
 * The clips of an incident, the closest sensor's first: what the shot sounded like, where the collector has it.
 *
 * Nothing is ever played but by the operator's hand, and never two at once. A clip that plays goes on while the
 * incident is revised, and stops when another incident is shown.
 */
import { clipAddress } from "./api.ts";
import { arrange, element, setShown, setText } from "./dom.ts";
import { type Levels, clipLevels } from "./levels.ts";
import type { Incident, Sensor } from "./records.ts";
import { metres } from "./shot-wording.ts";
import { svg } from "./svg.ts";

const FIRST_RETRY_MS = 1_000;
const TRIES = 6;
const BARS = 120;
const STRIP = 28;
/** So many, the closest, are fetched before anybody asks for them. */
const FETCHED = 3;

type State = "none" | "waiting" | "here" | "failed";

class Clip {
  readonly root: HTMLElement;
  readonly audio = element("audio", "", { preload: "none" });
  readonly #play = element("button", "clip-play", { type: "button" });
  readonly #name = element("span", "clip-name");
  readonly #note = element("span", "clip-note");
  readonly #bars = svg("path", "clip-bars");
  readonly #cursor = svg("path", "clip-cursor", { d: `M0 0V${STRIP}` });
  readonly #strip = svg("svg", "clip-strip", { viewBox: `0 0 ${BARS} ${STRIP}`, preserveAspectRatio: "none", "aria-hidden": "true" }, this.#bars, this.#cursor);
  #sha256: string | null = null;
  #named = "";
  #state: State = "none";
  #levels: Levels | null = null;
  #tries = 0;
  #timer: number | undefined;

  constructor(onPlay: (clip: Clip) => void) {
    this.root = element("li", "clip", {}, this.#play, element("span", "clip-words", {}, this.#name, this.#note), this.#strip, this.audio);
    this.#play.addEventListener("click", () => {
      if (this.#state !== "here") return;
      if (this.audio.paused) onPlay(this);
      else this.stop();
    });
    for (const change of ["play", "pause", "ended", "timeupdate", "loadedmetadata"]) this.audio.addEventListener(change, () => this.#paint());
    this.audio.addEventListener("error", () => this.#failed());
    this.#paint();
  }

  get here(): boolean {
    return this.#state === "here";
  }

  get playing(): boolean {
    return !this.audio.paused && !this.audio.ended;
  }

  show(sensor: Sensor, number: number, early: boolean, isHere: boolean): void {
    const distance = sensor.distance_m === null ? "" : `, ${metres(sensor.distance_m)}`;
    this.#named = `sensor ${number}, ${sensor.device}${distance}${distance === "" ? "" : " away"}`;
    setText(this.#name, `${number} · ${sensor.device}${distance}`);
    const here = sensor.clip !== null && isHere;
    if (sensor.clip !== this.#sha256 || here !== (this.#state === "here" || this.#state === "failed")) {
      this.#forget();
      this.#sha256 = sensor.clip;
      this.#state = here ? "here" : sensor.clip === null ? "none" : "waiting";
      if (here) this.#load(early);
    }
    this.#paint();
  }

  async play(): Promise<void> {
    this.audio.currentTime = 0;
    try {
      await this.audio.play();
    } catch {
      this.#paint(); // Stopped before it began, or failed: the element's own listeners say which.
    }
  }

  stop(): void {
    this.audio.pause();
    if (this.audio.readyState > 0) this.audio.currentTime = 0;
  }

  dispose(): void {
    this.#forget();
    this.#state = "none";
  }

  #forget(): void {
    window.clearTimeout(this.#timer);
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.#sha256 = null;
    this.#levels = null;
    this.#tries = 0;
    this.#bars.setAttribute("d", "");
  }

  #load(early: boolean): void {
    const sha256 = this.#sha256;
    if (sha256 === null) return;
    const address = clipAddress(sha256) + (this.#tries > 0 ? `?try=${this.#tries}` : "");
    this.audio.preload = early ? "auto" : "metadata";
    this.audio.src = address;
    if (!early) return;
    clipLevels(address, BARS)
      .then((levels) => {
        if (sha256 !== this.#sha256) return;
        this.#levels = levels;
        this.#bars.setAttribute("d", levels.loudest.map((level, index) => bar(level, index)).join(""));
        this.#paint();
      })
      .catch(() => this.#paint()); // The strip is a help: what cannot be fetched is told by the audio element itself.
  }

  #failed(): void {
    if (this.#sha256 === null || !this.audio.hasAttribute("src")) return;
    if (++this.#tries >= TRIES) {
      this.#state = "failed";
    } else {
      this.#timer = window.setTimeout(() => this.#load(true), FIRST_RETRY_MS * 2 ** (this.#tries - 1));
    }
    this.#paint();
  }

  #paint(): void {
    const duration_s = this.#levels?.duration_s ?? this.audio.duration;
    const known = Number.isFinite(duration_s) && duration_s > 0;
    this.root.dataset["state"] = this.playing ? "playing" : this.#state;
    const length = known ? `${duration_s.toFixed(1)} s` : "";
    const trouble = this.#tries > 0 && this.audio.readyState === 0 ? "cannot be fetched yet, trying again" : length;
    const now = this.playing ? `${this.audio.currentTime.toFixed(1)} of ${length}` : trouble;
    setText(this.#note, { none: "no clip yet", waiting: "on its way", here: now, failed: "cannot be played" }[this.#state]);
    setText(this.#play, this.playing ? "■ Stop" : "▶ Play");
    this.#play.setAttribute("aria-disabled", String(this.#state !== "here"));
    this.#play.setAttribute("aria-label", `${this.playing ? "Stop" : "Play"} the clip of ${this.#named}`);
    setShown(this.#strip, this.#levels !== null);
    const part = known ? Math.min(1, this.audio.currentTime / duration_s) : 0;
    this.#cursor.setAttribute("transform", `translate(${(part * BARS).toFixed(1)} 0)`);
    this.#cursor.toggleAttribute("data-shown", this.playing);
  }
}

/** One bar of the strip, as tall above its middle as below. */
const bar = (level: number, index: number): string => {
  const half = Math.max(0.5, (level * STRIP) / 2);
  return `M${index + 0.5} ${(STRIP / 2 - half).toFixed(1)}V${(STRIP / 2 + half).toFixed(1)}`;
};

export class Clips {
  readonly root = element("section", "clips", { "aria-label": "Clips" });
  readonly #list = element("ol", "clip-list");
  readonly #none = element("p", "clips-none", {}, "No sensor has a clip of it.");
  readonly #clips = new Map<string, Clip>();
  /** In the order shown. */
  #shown: Clip[] = [];
  #last: Clip | null = null;

  constructor() {
    this.root.append(element("h3", "part-title", {}, "Listen ", element("kbd", "", {}, "l"), " next clip ", element("kbd", "", {}, "s"), " stop"), this.#list, this.#none);
  }

  /** @param other whether this is another incident than before. */
  show(incident: Incident, other: boolean, isHere: (sha256: string | null, said: boolean) => boolean): void {
    if (other) this.clear();
    const wanted = new Map(incident.sensors.map((sensor, index) => [`${sensor.device}/${sensor.microphone}`, { sensor, index }]));
    for (const [key, clip] of this.#clips) {
      if (wanted.has(key)) continue;
      clip.dispose();
      this.#clips.delete(key);
    }
    this.#shown = [...wanted].map(([key, { sensor, index }]) => {
      const clip = this.#clips.get(key) ?? new Clip((chosen) => this.#play(chosen));
      this.#clips.set(key, clip);
      clip.show(sensor, index + 1, index < FETCHED, isHere(sensor.clip, sensor.clip_here));
      return clip;
    });
    arrange(this.#list, this.#shown.map((clip) => clip.root));
    setShown(this.#none, this.#shown.length === 0);
  }

  /** Play the clip after the one played last; the first after the last, or where none was. */
  playNext(): void {
    const here = this.#shown.filter((clip) => clip.here);
    const next = here[(this.#last === null ? -1 : here.indexOf(this.#last)) + 1] ?? here[0];
    if (next !== undefined) this.#play(next);
  }

  stop(): void {
    for (const clip of this.#clips.values()) if (clip.playing) clip.stop();
  }

  clear(): void {
    for (const clip of this.#clips.values()) clip.dispose();
    this.#clips.clear();
    this.#shown = [];
    this.#last = null;
    this.#list.replaceChildren();
  }

  #play(clip: Clip): void {
    this.stop();
    this.#last = clip;
    void clip.play();
  }
}
