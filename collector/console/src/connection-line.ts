/** "Live", "reconnecting", "stale since" or that no device can be heard: in view always, in shape, words and colour. */
import { byId, setText } from "./dom.ts";
import type { Liveness } from "./liveness.ts";
import { duration, localTime } from "./times.ts";

type Shown = Liveness["state"] | "catching-up" | "deaf";

export class ConnectionLine {
  readonly #line = byId("connection", HTMLParagraphElement);
  readonly #state = byId("connection-state", HTMLElement);
  readonly #detail = byId("connection-detail", HTMLSpanElement);
  readonly #local = byId("clock-local", HTMLTimeElement);
  readonly #utc = byId("clock-utc", HTMLSpanElement);
  #shown: Shown = "connecting";

  get state(): Shown {
    return this.#shown;
  }

  /**
   * @param caughtUp whether the lists were asked for since the stream was opened; without that it is not "live".
   * @param hearing whether the collector hears its devices; without that it is not "live" either.
   * @param problem why the lists could not be had, if so.
   * @returns what to say aloud: the new state, or null while it is the old one.
   */
  show(liveness: Liveness, caughtUp: boolean, hearing: boolean, problem: string, collector_ms: number): string | null {
    const state: Shown = liveness.state !== "live" ? liveness.state : !caughtUp ? "catching-up" : !hearing ? "deaf" : "live";
    const heard = liveness.state === "connecting" ? "nothing heard yet" : `heard ${duration(liveness.age_ms)} ago`;
    const words = {
      connecting: "CONNECTING",
      "catching-up": "CATCHING UP",
      deaf: "NO DEVICE HEARD",
      live: "LIVE",
      reconnecting: "RECONNECTING",
      stale: liveness.state === "stale" ? `STALE SINCE ${localTime(liveness.since_wall_ms)}` : "STALE",
    }[state];
    setText(this.#state, words);
    const deaf = "the collector cannot hear its devices";
    setText(this.#detail, state === "deaf" ? deaf : problem !== "" && state === "catching-up" ? problem : heard);
    const at = new Date(collector_ms);
    setText(this.#local, localTime(collector_ms));
    setText(this.#utc, `${at.toISOString().slice(11, 19)} UTC`);
    const changed = state !== this.#shown;
    this.#shown = state;
    document.body.dataset["connection"] = this.#line.dataset["state"] = state;
    return changed ? words.toLowerCase() : null;
  }
}
