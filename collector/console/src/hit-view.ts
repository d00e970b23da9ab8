/** The part of the selected alert that a hit has: what was read over what is listed, the pictures, and the facts. */
import { describeColumn, summarize } from "./alignment.ts";
import { element, setShown, setText } from "./dom.ts";
import { Fact } from "./fact.ts";
import { PassageView } from "./passage-view.ts";
import { Picture } from "./picture.ts";
import { PlatePair } from "./plate-pair.ts";
import type { HitAlert, Passage } from "./records.ts";
import { latency, localStamp, percent, utcStamp } from "./times.ts";
import { compareRegions, listText, marksText, offsetText, placeText, ruleText, vehicleText } from "./wording.ts";

export interface HitState {
  readonly cropHere: boolean;
  /** Whether the collector has a picture of which the alert says that it has not. */
  readonly isHere: (sha256: string | null, said: boolean) => boolean;
  /** What else was seen of the vehicle; undefined while nothing is known of it. */
  readonly passage: Passage | undefined;
  /** The numbers of other alerts for this vehicle. */
  readonly otherAlerts: readonly number[];
}

export class HitView {
  readonly root = element("div", "hit");
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

  constructor() {
    this.#plates = new PlatePair("plate-pair-large", (column, position) => {
      setText(this.#slotLine, column === null ? summarize(this.#plates.columns) : describeColumn(column, position));
    });
    this.root.append(
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
    );
  }

  clear(): void {
    this.#crop.dispose();
    this.#frame.dispose();
    this.#overview.dispose();
    this.#passage.clear();
  }

  stepCharacter(by: 1 | -1): void {
    this.#plates.step(by);
  }

  show(alert: HitAlert, state: HitState): void {
    const { read } = alert;
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
  }

  #facts(alert: HitAlert): void {
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
}
