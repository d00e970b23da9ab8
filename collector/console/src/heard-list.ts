/** "Heard, not alerted": the incidents that called nobody, to be looked through when there is time for it. */
import { arrange, element, setShown, setText } from "./dom.ts";
import type { Incident } from "./records.ts";
import { counted, notAlertedText, probabilityText, roundsText, verdictText } from "./shot-wording.ts";
import { localTime } from "./times.ts";

class Line {
  readonly root: HTMLElement;
  readonly button = element("button", "heard-line", { type: "button" });
  readonly #text = element("span", "ticker-text");
  readonly #figure = element("span", "ticker-figure");
  readonly #time = element("span", "ticker-time");
  readonly #why = element("span", "heard-why");

  constructor(id: number, onSelect: (id: number) => void) {
    this.button.append(this.#text, this.#figure, this.#time, this.#why);
    this.button.addEventListener("click", () => onSelect(id));
    this.root = element("li", "", { "data-incident-id": String(id) }, this.button);
  }

  show(incident: Incident, selected: boolean): void {
    setText(this.#text, roundsText(incident));
    setText(this.#figure, probabilityText(incident));
    setText(this.#time, localTime(Date.parse(incident.at)));
    const judged = incident.verdict === null ? "" : `✓ ${verdictText(incident.verdict)}, ${incident.verdict.by}`;
    const sensors = counted(incident.sensors.length, "sensor");
    setText(this.#why, [judged, notAlertedText(incident), ...incident.probability_why.slice(0, 1), sensors].filter(Boolean).join(" · "));
    this.root.dataset["judged"] = String(incident.verdict !== null);
    if (selected) this.button.setAttribute("aria-current", "true");
    else this.button.removeAttribute("aria-current");
  }
}

export class HeardList {
  readonly #list: HTMLElement;
  readonly #none: HTMLElement;
  readonly #lines = new Map<number, Line>();
  readonly #onSelect: (id: number) => void;

  constructor(list: HTMLElement, none: HTMLElement, onSelect: (id: number) => void) {
    this.#list = list;
    this.#none = none;
    this.#onSelect = onSelect;
  }

  show(incidents: readonly Incident[], selected: number | null): void {
    const wanted = new Set(incidents.map((incident) => incident.id));
    for (const id of this.#lines.keys()) if (!wanted.has(id)) this.#lines.delete(id);
    arrange(
      this.#list,
      incidents.map((incident) => {
        const line = this.#lines.get(incident.id) ?? new Line(incident.id, this.#onSelect);
        this.#lines.set(incident.id, line);
        line.show(incident, incident.id === selected);
        return line.root;
      }),
    );
    setShown(this.#none, incidents.length === 0);
  }

  reveal(id: number): void {
    const line = this.#lines.get(id);
    line?.root.scrollIntoView({ block: "nearest" });
    line?.button.focus({ preventScroll: true });
  }

  clear(): void {
    this.#lines.clear();
    this.#list.replaceChildren();
  }
}
