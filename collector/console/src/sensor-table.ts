/** Who listened, in words: the same numbers as on the plan. */
import { element } from "./dom.ts";
import type { Incident } from "./records.ts";
import { metres } from "./shot-wording.ts";
import { type Station, stations } from "./stations.ts";

const MARKS: Readonly<Record<Station["hearing"], string>> = { used: "✓", rejected: "✕", silent: "○" };

/** "+1.2 ms": later than the location says. */
const residualText = (residual_ms: number | null): string =>
  residual_ms === null ? "" : `${residual_ms < 0 ? "−" : "+"}${Math.abs(residual_ms).toFixed(1)} ms`;

export class SensorTable {
  readonly root: HTMLElement;
  readonly #rows = element("tbody");
  #incident: Incident | null = null;

  constructor() {
    const heads = [["", "Number"], ["Sensor", ""], ["Away", "Distance from the location"], ["Late by", "How much later than the location says it heard the rounds"], ["", "What became of it"]];
    const head = element("tr", "", {}, ...heads.map(([text, label]) => element("th", "", { scope: "col", ...(label ? { "aria-label": label, title: label } : {}) }, text ?? "")));
    this.root = element("table", "sensors", { "aria-label": "Sensors" }, element("thead", "", {}, head), this.#rows);
  }

  show(incident: Incident): void {
    if (incident === this.#incident) return;
    this.#incident = incident;
    this.#rows.replaceChildren(
      ...stations(incident).map((station) =>
        element(
          "tr",
          "",
          { "data-hearing": station.hearing, "data-number": String(station.number) },
          element("td", "sensor-number", {}, element("span", `sensor-mark mark-${station.hearing}`, {}, String(station.number))),
          element("th", "sensor-name", { scope: "row" }, station.name),
          element("td", "sensor-figure", {}, station.distance_m === null ? "" : metres(station.distance_m)),
          element("td", "sensor-figure", {}, residualText(station.residual_ms)),
          element("td", "sensor-words", {}, element("span", "", { "aria-hidden": "true" }, `${MARKS[station.hearing]} `), station.words),
        ),
      ),
    );
  }
}
