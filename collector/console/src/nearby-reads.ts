/** The plates that were read near a shot, about its time. */
import { arrange, element, setShown, setText } from "./dom.ts";
import { Picture } from "./picture.ts";
import type { Incident, NearbyRead } from "./records.ts";
import { holdText, metres, sinceShotText } from "./shot-wording.ts";
import { localStamp, percent } from "./times.ts";
import { marksText, noRegionText } from "./wording.ts";

type IsHere = (sha256: string | null, said: boolean) => boolean;

class NearbyLine {
  readonly root: HTMLElement;
  readonly #crop = new Picture("picture-other", "Picture");
  readonly #text = element("span", "other-text");
  readonly #when = element("span", "nearby-when");
  readonly #where = element("span", "other-where");
  readonly #hold = element("span", "nearby-hold");

  constructor(id: number) {
    const words = element("span", "other-words", {}, this.#text, this.#when, this.#where, this.#hold);
    this.root = element("li", "other-read", { "data-nearby-read-id": String(id) }, this.#crop.root, words);
  }

  show(nearby: NearbyRead, isHere: IsHere): void {
    const { read } = nearby;
    this.#crop.show(read.id, read.crop, isHere(read.crop, read.crop_here), `The plate that was read as ${read.text}`);
    setText(this.#text, `${read.text} ${percent(read.confidence)}`);
    setText(this.#when, `${sinceShotText(nearby)}, ${metres(nearby.distance_m)} away`);
    setText(this.#where, [read.region ?? noRegionText(read), `${read.device} · ${read.camera}`, marksText(read)].filter(Boolean).join(" · "));
    setText(this.#hold, holdText(nearby, localStamp(nearby.held_until)));
    this.root.dataset["hold"] = nearby.hold;
  }

  dispose(): void {
    this.#crop.dispose();
  }
}

export class NearbyReads {
  readonly root = element("section", "nearby", { "aria-label": "Plates read nearby" });
  readonly #title = element("h3", "part-title");
  readonly #list = element("ol", "passage-reads");
  readonly #lines = new Map<number, NearbyLine>();

  constructor() {
    this.root.append(this.#title, this.#list);
  }

  show(incident: Incident, isHere: IsHere): void {
    setShown(this.root, incident.reads.length > 0);
    setText(this.#title, `Plates read nearby: ${incident.reads.length}`);
    const wanted = new Set(incident.reads.map(({ read }) => read.id));
    for (const [id, line] of this.#lines) {
      if (wanted.has(id)) continue;
      line.dispose();
      this.#lines.delete(id);
    }
    arrange(
      this.#list,
      incident.reads.map((nearby) => {
        const line = this.#lines.get(nearby.read.id) ?? new NearbyLine(nearby.read.id);
        this.#lines.set(nearby.read.id, line);
        line.show(nearby, isHere);
        return line.root;
      }),
    );
  }

  clear(): void {
    for (const line of this.#lines.values()) line.dispose();
    this.#lines.clear();
    this.#list.replaceChildren();
  }
}
