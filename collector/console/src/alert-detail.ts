/**
 * The selected alert, large: what was read over what is listed, the pictures, and the acknowledgement.
 *
 * Its elements are built once and filled again, so that the button stays under the finger that presses it.
 */
import { describeColumn, summarize } from "./alignment.ts";
import { element, setShown, setText } from "./dom.ts";
import { PassageView } from "./passage-view.ts";
import { Picture } from "./picture.ts";
import { PlatePair } from "./plate-pair.ts";
import type { Alert, Passage } from "./records.ts";
import { latency, localStamp, localTime, percent, utcStamp } from "./times.ts";
import {
  cautions,
  compareRegions,
  historyText,
  listText,
  marksText,
  offsetText,
  placeText,
  reasonText,
  ruleText,
  severityText,
  vehicleText,
} from "./wording.ts";

export interface DetailState {
  readonly cropHere: boolean;
  /** Whether the collector has a picture of which the alert says that it has not. */
  readonly isHere: (sha256: string | null, said: boolean) => boolean;
  /** What else was seen of the vehicle; undefined while nothing is known of it. */
  readonly passage: Passage | undefined;
  /** The numbers of other alerts for this vehicle. */
  readonly otherAlerts: readonly number[];
  readonly sending: boolean;
  readonly failure: string | null;
  readonly mayAcknowledge: boolean;
  readonly role: string;
  readonly collector_ms: number;
}

class Fact {
  readonly root: HTMLElement;
  readonly #value = element("dd");

  constructor(name: string, key: string) {
    this.root = element("div", "fact", { "data-fact": key }, element("dt", "", {}, name), this.#value);
  }

  show(...lines: readonly string[]): void {
    const text = lines.filter(Boolean);
    if (text.join("\n") === [...this.#value.children].map((line) => line.textContent).join("\n")) return;
    this.#value.replaceChildren(...text.map((line) => element("span", "line", {}, line)));
  }

  /** Show lines that few alerts have; without any the fact is not there. */
  showIfAny(...lines: readonly string[]): void {
    this.show(...lines);
    setShown(this.root, lines.some(Boolean));
  }

  mark(mark: string): void {
    this.root.dataset["mark"] = mark;
  }
}

export class AlertDetail {
  readonly #root: HTMLElement;
  readonly #body = element("article", "detail-body");
  readonly #empty = element("p", "detail-empty");
  readonly #severity = element("span", "chip severity");
  readonly #reason = element("h2", "detail-reason");
  readonly #number = element("span", "detail-number");
  readonly #cautions = element("p", "cautions");
  readonly #plates: PlatePair;
  readonly #slotLine = element("p", "slot-line");
  readonly #crop = new Picture("picture-crop", "Picture");
  readonly #frame = new Picture("picture-frame", "Whole frame");
  readonly #overview = new Picture("picture-overview", "Overview");
  readonly #passage = new PassageView();
  readonly #region = new Fact("Region", "region");
  readonly #marks = new Fact("Hard to read", "marks");
  readonly #vehicle = new Fact("Vehicle", "vehicle");
  readonly #paired = new Fact("Overview", "overview");
  readonly #rule = new Fact("Rule", "rule");
  readonly #list = new Fact("Hotlist", "list");
  readonly #place = new Fact("Where", "place");
  readonly #captured = new Fact("Captured", "captured");
  readonly #read = new Fact("Read", "read");
  readonly #button = element("button", "primary acknowledge", { type: "button", id: "acknowledge" });
  readonly #outcome = element("p", "outcome", { id: "acknowledge-outcome" });
  readonly #failure = element("p", "failure", { id: "acknowledge-failure", role: "alert" });

  constructor(root: HTMLElement, onAcknowledge: (id: number) => void) {
    this.#root = root;
    this.#plates = new PlatePair("plate-pair-large", (column, position) => {
      setText(this.#slotLine, column === null ? summarize(this.#plates.columns) : describeColumn(column, position));
    });
    this.#button.addEventListener("click", () => {
      const id = Number(root.dataset["alertId"]);
      if (this.#button.getAttribute("aria-disabled") !== "true") onAcknowledge(id);
    });
    this.#body.append(
      element("header", "detail-head", {}, this.#severity, this.#reason, this.#number),
      this.#cautions,
      element(
        "div",
        "plates",
        {},
        element("span", "plate-label plate-label-read", { "aria-hidden": "true" }, "READ"),
        element("span", "plate-label plate-label-listed", { "aria-hidden": "true" }, "LISTED"),
        this.#plates.root,
      ),
      this.#slotLine,
      element("div", "pictures", {}, this.#crop.root, this.#overview.root, this.#frame.root),
      element(
        "dl",
        "facts",
        {},
        ...[
          this.#region,
          this.#rule,
          this.#place,
          this.#captured,
          this.#list,
          this.#read,
          this.#marks,
          this.#vehicle,
          this.#paired,
        ].map((fact) => fact.root),
      ),
      this.#passage.root,
      element("footer", "answer", {}, this.#button, element("div", "answer-words", {}, this.#outcome, this.#failure)),
    );
    root.append(this.#empty, this.#body);
    this.showNone("");
  }

  /** Nothing is selected; say why. */
  showNone(text: string): void {
    delete this.#root.dataset["alertId"];
    delete this.#root.dataset["state"];
    setShown(this.#body, false);
    setShown(this.#empty, true);
    setText(this.#empty, text);
  }

  /** Forget pictures and texts, when the session ends. */
  clear(): void {
    this.#crop.dispose();
    this.#frame.dispose();
    this.#overview.dispose();
    this.#passage.clear();
    this.showNone("");
  }

  stepCharacter(by: 1 | -1): void {
    this.#plates.step(by);
  }

  show(alert: Alert, state: DetailState): void {
    const { read, entry } = alert;
    const other = this.#root.dataset["alertId"] !== String(alert.id);
    this.#root.dataset["alertId"] = String(alert.id);
    this.#root.dataset["state"] = alert.state;
    setShown(this.#empty, false);
    setShown(this.#body, true);
    setText(this.#severity, severityText(entry));
    setShown(this.#severity, severityText(entry) !== "");
    setText(this.#reason, reasonText(entry));
    setText(this.#number, `Alert ${alert.id}`);
    const said = cautions(alert, state.collector_ms);
    setText(this.#cautions, said.length > 0 ? said.join(". ") : historyText(alert, state.passage));
    this.#cautions.dataset["any"] = String(said.length > 0);
    const columnsBefore = this.#plates.columns;
    this.#plates.show(alert);
    if (this.#plates.columns !== columnsBefore) setText(this.#slotLine, summarize(this.#plates.columns));
    this.#crop.show(read.id, read.crop, state.cropHere, `The plate that was read as ${read.text}`);
    this.#frame.show(read.id, read.frame, state.isHere(read.frame, read.frame_here), `The frame that ${read.text} was read from`);
    setShown(this.#overview.root, read.overview !== null);
    if (read.overview !== null) {
      const { sha256, here, camera, offset_ms } = read.overview;
      this.#overview.show(read.id, sha256, state.isHere(sha256, here), `The overview by ${camera}, ${offsetText(offset_ms)}`);
    }
    this.#passage.show(state.passage, read, state);
    this.#facts(alert);
    this.#answer(alert, state);
    if (other) this.#root.scrollTop = 0;
  }

  #facts(alert: Alert): void {
    const { read, entry } = alert;
    const regions = compareRegions(alert);
    this.#region.show(regions.text, regions.also);
    this.#region.mark(regions.agreement);
    this.#rule.show(ruleText(alert), ...alert.why);
    this.#place.show(read.device, placeText(read), `site ${read.site}`, read.deployment === null ? "" : `deployment ${read.deployment}`);
    this.#marks.showIfAny(marksText(read));
    this.#vehicle.showIfAny(vehicleText(read));
    this.#paired.showIfAny(...(read.overview === null ? [] : [`camera ${read.overview.camera}`, offsetText(read.overview.offset_ms)]));
    const error = read.clock_error_ms === null ? "clock error unknown" : `clock within ±${latency(read.clock_error_ms)}`;
    this.#captured.show(utcStamp(read.captured_at), localStamp(read.captured_at), error);
    this.#list.show(listText(entry), entry.notes ?? "");
    const revision = `revision ${read.revision}${read.final ? ", final" : ", may still be revised"}`;
    const frames = `${read.frames} ${read.frames === 1 ? "frame" : "frames"}`;
    const taken = `${latency(alert.latency_ms)} from capture to alert`;
    this.#read.show(`${percent(read.confidence)} from ${frames}`, taken, revision);
  }

  #answer(alert: Alert, state: DetailState): void {
    const open = alert.state === "new";
    const able = open && state.mayAcknowledge && !state.sending;
    setShown(this.#button, open);
    // Not `disabled`: that would take the focus away while the request is under way.
    this.#button.setAttribute("aria-disabled", String(!able));
    setText(this.#button, state.sending ? "Acknowledging…" : state.failure === null ? "Acknowledge (a)" : "Try again (a)");
    const when = alert.acknowledged_at;
    if (!open) {
      const time = when === null ? "" : ` at ${localTime(Date.parse(when))} (${utcStamp(when).replace(/\.\d+/, "")})`;
      setText(this.#outcome, `✓ Acknowledged by ${alert.acknowledged_by ?? "unknown"}${time}`);
    } else {
      setText(this.#outcome, state.mayAcknowledge ? "" : `Your role (${state.role}) cannot acknowledge alerts`);
    }
    setText(this.#failure, open && state.failure !== null ? `Not acknowledged: ${state.failure}` : "");
  }
}
