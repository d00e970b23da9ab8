/** The bounded lists beside the alerts: newest first, one line a record. */
import { arrange, element, setText } from "./dom.ts";
import type { Passage, PlateRead, ShotArrival } from "./records.ts";
import { arrivalText } from "./shot-wording.ts";
import { latency, localTime, percent } from "./times.ts";
import { camerasText, marksText, noRegionText } from "./wording.ts";

/** What a line shows: the class and the text of each cell, in a fixed order. */
type Cells = readonly (readonly [className: string, text: string])[];

interface Line {
  readonly id: number;
  readonly captured_at: string;
}

/** A list that holds the `limit` latest captured records and shows each as `parts`. */
export class Ticker<R extends Line> {
  readonly #list: HTMLElement;
  readonly #limit: number;
  readonly #name: string;
  readonly #parts: (record: R) => Cells;
  readonly #records = new Map<number, R>();
  readonly #lines = new Map<number, HTMLElement>();

  constructor(list: HTMLElement, name: string, limit: number, parts: (record: R) => Cells) {
    this.#list = list;
    this.#name = name;
    this.#limit = limit;
    this.#parts = parts;
  }

  clear(): void {
    this.#records.clear();
    this.#lines.clear();
    this.#list.replaceChildren();
  }

  /** Take records as they are now; a known one is replaced where it stands. */
  take(records: readonly R[]): void {
    for (const record of records) {
      this.#records.set(record.id, record);
      this.#show(record);
    }
    const latest = [...this.#records.values()].sort(
      (a, b) => Date.parse(b.captured_at) - Date.parse(a.captured_at) || b.id - a.id,
    );
    for (const old of latest.splice(this.#limit)) {
      this.#records.delete(old.id);
      this.#lines.delete(old.id);
    }
    arrange(
      this.#list,
      latest.flatMap((record) => this.#lines.get(record.id) ?? []),
    );
  }

  /** Show again those of these records that are in the list: what is known beside them has changed. */
  refresh(ids: readonly number[]): void {
    for (const id of ids) {
      const record = this.#records.get(id);
      if (record !== undefined) this.#show(record);
    }
  }

  #show(record: R): void {
    const parts = this.#parts(record);
    const known = this.#lines.get(record.id);
    if (known !== undefined) {
      parts.forEach(([, text], index) => setText(known.children[index] as Element, text));
      return;
    }
    const cells = parts.map(([className, text]) => element("span", className, {}, text));
    this.#lines.set(record.id, element("li", "", { [`data-${this.#name}-id`]: String(record.id) }, ...cells));
  }
}

export const readParts = (read: PlateRead, passage: Passage | undefined): Cells => [
  ["ticker-text", read.text],
  ["ticker-figure", percent(read.confidence)],
  ["ticker-time", localTime(Date.parse(read.captured_at))],
  ["ticker-place", `${read.region ?? noRegionText(read)} · ${read.device} · ${read.camera}`],
  ["ticker-latency", latency(read.latency_ms)],
  ["ticker-more", [passage === undefined ? "" : camerasText(passage), marksText(read), read.travel].filter(Boolean).join(" · ")],
];

export const shotParts = (shot: ShotArrival): Cells => [
  ["ticker-text", shot.classes[0]?.[0] ?? "shot"],
  ["ticker-figure", percent(shot.probability)],
  ["ticker-time", localTime(Date.parse(shot.captured_at))],
  ["ticker-place", `${shot.device} · ${shot.microphone} · ${shot.peak_dbfs.toFixed(1)} dBFS`],
  ["ticker-latency", latency(shot.latency_ms)],
  ["ticker-more", arrivalText(shot)],
];
