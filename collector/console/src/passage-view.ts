/** Under the selected alert: what the other cameras of the site saw of the same vehicle. */
import { arrange, element, setShown, setText } from "./dom.ts";
import { Picture } from "./picture.ts";
import type { Passage, PlateRead } from "./records.ts";
import { latency, percent } from "./times.ts";
import { camerasText, marksText, sameVehicleText } from "./wording.ts";

export interface PassageState {
  /** Whether the collector has a picture of which a record says that it has not. */
  readonly isHere: (sha256: string | null, said: boolean) => boolean;
  /** The numbers of other alerts for this vehicle. */
  readonly otherAlerts: readonly number[];
}

class OtherRead {
  readonly root: HTMLElement;
  readonly #crop = new Picture("picture-other", "Picture");
  readonly #overview = new Picture("picture-other", "Overview");
  readonly #text = element("span", "other-text");
  readonly #where = element("span", "other-where");
  readonly #when = element("span", "other-when");

  constructor(id: number) {
    const words = element("span", "other-words", {}, this.#text, this.#where, this.#when);
    this.root = element("li", "other-read", { "data-other-read-id": String(id) }, this.#crop.root, this.#overview.root, words);
  }

  show(read: PlateRead, selected: PlateRead, isHere: PassageState["isHere"]): void {
    this.#crop.show(read.id, read.crop, isHere(read.crop, read.crop_here), `The plate that was read as ${read.text}`);
    setShown(this.#overview.root, read.overview !== null);
    if (read.overview !== null) {
      const { sha256, here } = read.overview;
      this.#overview.show(read.id, sha256, isHere(sha256, here), `The overview of ${read.text}`);
    }
    setText(this.#text, `${read.text} ${percent(read.confidence)}`);
    setText(this.#where, [`${read.device} · ${read.camera} (${read.role})`, marksText(read)].filter(Boolean).join(" · "));
    const later_ms = Date.parse(read.captured_at) - Date.parse(selected.captured_at);
    setText(this.#when, `${latency(Math.abs(later_ms))} ${later_ms < 0 ? "earlier" : "later"}`);
  }

  dispose(): void {
    this.#crop.dispose();
    this.#overview.dispose();
  }
}

export class PassageView {
  readonly root: HTMLElement;
  readonly #title = element("h3", "passage-title");
  readonly #alerts = element("p", "passage-alerts");
  readonly #list = element("ol", "passage-reads");
  readonly #others = new Map<number, OtherRead>();

  constructor() {
    this.root = element("section", "passage", { "aria-label": "The same vehicle at other cameras" });
    this.root.append(this.#title, this.#alerts, this.#list);
    this.clear();
  }

  show(passage: Passage | undefined, selected: PlateRead, state: PassageState): void {
    const reads = (passage?.reads ?? []).filter((read) => read.id !== selected.id);
    setShown(this.root, passage !== undefined && reads.length > 0);
    if (passage !== undefined) setText(this.#title, `${camerasText(passage)} · passage ${passage.id} at ${passage.site}`);
    setText(this.#alerts, sameVehicleText(state.otherAlerts));
    const wanted = new Set(reads.map((read) => read.id));
    for (const [id, other] of this.#others) {
      if (wanted.has(id)) continue;
      other.dispose();
      this.#others.delete(id);
    }
    arrange(
      this.#list,
      reads.map((read) => {
        const other = this.#others.get(read.id) ?? new OtherRead(read.id);
        this.#others.set(read.id, other);
        other.show(read, selected, state.isHere);
        return other.root;
      }),
    );
  }

  clear(): void {
    for (const other of this.#others.values()) other.dispose();
    this.#others.clear();
    this.#list.replaceChildren();
    setShown(this.root, false);
  }
}
