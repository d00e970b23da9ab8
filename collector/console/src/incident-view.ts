/**
 * A shot incident, large: where, when, how likely it was gunfire, who heard it, how it sounded, and who drove by.
 *
 * Its elements are built once and filled again; what a revision changed since the operator opened it is said.
 */
import { Clips } from "./clips.ts";
import { copyText } from "./copying.ts";
import { element, setShown, setText } from "./dom.ts";
import { NearbyReads } from "./nearby-reads.ts";
import { Plane } from "./plan-geometry.ts";
import { Plan } from "./plan.ts";
import type { Incident } from "./records.ts";
import { SensorTable } from "./sensor-table.ts";
import { axesText, capital, changes, confidenceText, coordinatesText, errorText, noPointText, probabilityText } from "./shot-wording.ts";
import { localStamp, localTime, utcStamp } from "./times.ts";

export interface IncidentState {
  /** Whether the collector has a picture or clip of which the incident says that it has not. */
  readonly isHere: (sha256: string | null, said: boolean) => boolean;
  /** Why it alerted, or why not. */
  readonly why: readonly string[];
  readonly collector_ms: number;
}

export class IncidentView {
  readonly root = element("div", "incident");
  readonly #revised = element("p", "revised", { id: "revised" });
  readonly #merged = element("p", "merged");
  readonly #mergedButton = element("button", "", { type: "button", id: "show-merged" });
  readonly #coordinates = element("span", "figure", { id: "coordinates" });
  readonly #copy = element("button", "copy", { type: "button", id: "copy" }, "Copy ", element("kbd", "", {}, "c"));
  readonly #copied = element("span", "copied", { role: "status" });
  readonly #where = element("dd");
  readonly #whereWords = element("span", "line");
  readonly #whereMore = element("span", "line");
  readonly #time = element("span", "figure");
  readonly #whenWords = element("dd");
  readonly #probability = element("span", "figure");
  readonly #whyList = element("ul", "why-list");
  readonly #plan = new Plan();
  readonly #clips = new Clips();
  readonly #sensors = new SensorTable();
  readonly #reads = new NearbyReads();
  readonly #onRevised: (words: string) => void;
  readonly #figuresList = element("dl", "figures");
  readonly #body = element("div", "incident-body");
  #shown: Incident | null = null;
  /** As it was when the operator opened it. */
  #opened: Incident | null = null;
  #said = "";

  /**
   * @param onRevised told what a revision changed in the incident shown.
   * @param onShow asked to show the incident that this one was merged into.
   */
  constructor(onRevised: (words: string) => void, onShow: (incident: number) => void) {
    this.#onRevised = onRevised;
    this.#mergedButton.addEventListener("click", () => {
      const into = this.#shown?.merged_into;
      if (typeof into === "number") onShow(into);
    });
    this.#copy.addEventListener("click", () => void this.copyCoordinates());
    this.#where.append(element("span", "copy-line", {}, this.#coordinates, this.#copy), this.#copied, this.#whereWords, this.#whereMore);
    const when = element("div", "fact", { "data-fact": "when" }, element("dt", "", {}, "When"), element("dd", "", {}, this.#time), this.#whenWords);
    this.#figuresList.append(
      element("div", "fact", { "data-fact": "where" }, element("dt", "", {}, "Where"), this.#where),
      when,
      element("div", "fact", { "data-fact": "probability" }, element("dt", "", {}, "Gunfire"), element("dd", "", {}, this.#probability)),
      element("div", "fact", { "data-fact": "why" }, element("dt", "", {}, "Why"), element("dd", "", {}, this.#whyList)),
    );
    this.#merged.append(this.#mergedButton);
    this.#body.append(element("div", "heard", {}, this.#plan.root, this.#clips.root), this.#sensors.root, this.#reads.root);
    this.root.append(this.#revised, this.#merged, this.#figuresList, this.#body);
  }

  show(incident: Incident, state: IncidentState): void {
    const other = incident.id !== this.#shown?.id;
    if (other) {
      this.#opened = incident;
      this.#said = "";
      setText(this.#revised, "");
      setText(this.#copied, "");
    }
    this.#revise(incident, state.collector_ms);
    this.#shown = incident;
    const merged = incident.merged_into !== null;
    setShown(this.#merged, merged);
    setText(this.#mergedButton, `Show incident ${incident.merged_into ?? ""}`);
    setShown(this.#figuresList, !merged);
    setShown(this.#body, !merged);
    this.#figures(incident, state.why);
    this.#plan.show(incident, other);
    this.#clips.show(incident, other, state.isHere);
    this.#sensors.show(incident);
    this.#reads.show(incident, state.isHere);
  }

  /** Forget what was shown; nothing goes on playing. */
  clear(): void {
    this.#shown = this.#opened = null;
    this.#plan.clear();
    this.#clips.clear();
    this.#reads.clear();
  }

  playNextClip(): void {
    if (this.#shown !== null) this.#clips.playNext();
  }

  stopClip(): void {
    this.#clips.stop();
  }

  zoom(): void {
    if (this.#shown !== null) this.#plan.zoom();
  }

  async copyCoordinates(): Promise<void> {
    const location = this.#shown?.location;
    if (location === undefined || location === null) return;
    const copied = await copyText(coordinatesText(location), this.#coordinates);
    setText(this.#copied, copied ? "Copied" : "Selected: copy with Ctrl-C");
  }

  #figures(incident: Incident, alerted: readonly string[]): void {
    const { location } = incident;
    setText(this.#coordinates, location === null ? "No point" : coordinatesText(location));
    setShown(this.#copy, location !== null);
    const sure = location === null ? "" : `, ${confidenceText(incident)}`;
    setText(this.#whereWords, `${capital(errorText(incident))}${sure}`);
    setText(this.#whereMore, location === null ? noPointText(incident) : axesText(location.ellipse95));
    setText(this.#time, localTime(Date.parse(incident.at)));
    const lines = [location === null ? "First heard; when it was fired is not known" : "First round fired", localStamp(incident.at), utcStamp(incident.at)];
    if (lines.join("\n") !== [...this.#whenWords.children].map((line) => line.textContent).join("\n")) {
      this.#whenWords.replaceChildren(...lines.map((line) => element("span", "line", {}, line)));
    }
    setText(this.#probability, probabilityText(incident));
    const why = [alerted.join(" "), ...incident.probability_why].filter(Boolean);
    if (why.join("\n") !== [...this.#whyList.children].map((line) => line.textContent).join("\n")) {
      this.#whyList.replaceChildren(...why.map((line) => element("li", "", {}, line)));
    }
  }

  #revise(incident: Incident, collector_ms: number): void {
    const opened = this.#opened;
    if (opened === null || opened.revision === incident.revision) return;
    let moved = null;
    if (opened.location !== null && incident.location !== null) moved = new Plane(opened.location).at(incident.location);
    const said = changes(opened, incident, moved).join("; ");
    if (said === this.#said) return;
    this.#said = said;
    setText(this.#revised, said === "" ? "" : `Revised at ${localTime(collector_ms)}, since you opened it: ${said}`);
    if (said !== "") this.#onRevised(`Incident revised: ${said}`);
  }
}

