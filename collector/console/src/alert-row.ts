/** One row of the list of alerts: the same frame for every kind, and a face for what the kind has to show. */
import { element, setShown, setText } from "./dom.ts";
import { Picture } from "./picture.ts";
import { PlatePair } from "./plate-pair.ts";
import { type Alert, type HitAlert, type ShotAlert, happenedAt } from "./records.ts";
import { coordinatesText, counted, probabilityText, roundsText, verdictText, whereText } from "./shot-wording.ts";
import { duration, latency, localTime, percent } from "./times.ts";
import { cautions, dispositionText, furtherText, reasonText, severityText, unknownText } from "./wording.ts";

/** What the list needs to know of an alert beside the alert. */
export interface RowState {
  readonly cropHere: boolean;
  /** Why the last acknowledgement failed; null if none did. */
  readonly failure: string | null;
  /** Which other alerts are for the same vehicle, in words; empty if none. */
  readonly sameVehicle: string;
  readonly collector_ms: number;
}

/** What a row says of its alert. */
interface Words {
  readonly chip: string;
  readonly title: string;
  readonly place: string;
  /** For a screen reader, between "New alert" and the cautions. */
  readonly spoken: readonly string[];
}

/** The two cells of a row that are the kind's own. */
interface Face<A extends Alert> {
  readonly cells: readonly HTMLElement[];
  show(alert: A, state: RowState): Words;
  dispose(): void;
}

/** The picture of a plate, and what was read over what is listed. */
class HitFace implements Face<HitAlert> {
  readonly #crop = new Picture("picture-row", "Picture");
  readonly #plates = new PlatePair("plate-pair-row", null);
  readonly cells = [element("span", "row-pictures", {}, this.#crop.root), this.#plates.root];

  show(alert: HitAlert, state: RowState): Words {
    const { read, entry } = alert;
    this.#crop.show(read.id, read.crop, state.cropHere, "");
    this.#plates.show(alert);
    return {
      chip: severityText(entry),
      title: reasonText(entry),
      place: [read.device, read.camera, latency(alert.latency_ms), alert.probability === null ? "" : percent(alert.probability), furtherText(alert)].filter(Boolean).join(" · "),
      spoken: [`read ${[...read.text].join(" ")}`, `listed ${[...entry.plate].join(" ")}`, reasonText(entry)],
    };
  }

  dispose(): void {
    this.#crop.dispose();
  }
}

/** How many rounds, and how likely it was gunfire. */
class ShotFace implements Face<ShotAlert> {
  readonly #count = element("strong", "shot-count");
  readonly #unit = element("span", "shot-unit");
  readonly #probability = element("strong", "shot-probability");
  readonly #where = element("span", "shot-where");
  readonly #verdict = element("span", "shot-verdict");
  readonly cells = [
    element("span", "row-pictures shot-rounds", {}, this.#count, this.#unit),
    element("span", "shot-words", {}, this.#probability, this.#where, this.#verdict),
  ];

  show(alert: ShotAlert): Words {
    const { incident } = alert;
    const into = incident.merged_into;
    setText(this.#count, into === null ? String(incident.rounds) : "→");
    setText(this.#unit, into !== null ? "merged" : incident.rounds === 1 ? "round" : "rounds");
    setText(this.#probability, into === null ? `Gunfire ${probabilityText(incident)}` : `Merged into ${into}`);
    setText(this.#where, into === null ? whereText(incident) : "its shots belong to that incident");
    const judged = incident.verdict === null ? "" : `${verdictText(incident.verdict)}, ${incident.verdict.by}`;
    setText(this.#verdict, judged);
    const heard = incident.sensors.length === 0 ? "" : counted(incident.sensors.length, "sensor");
    const place = incident.location === null ? "" : coordinatesText(incident.location);
    return {
      chip: "Shot",
      title: roundsText(incident),
      place: [place, heard, latency(alert.latency_ms)].filter(Boolean).join(" · "),
      // Where it was merged to is among the cautions.
      spoken: into === null ? [`gunfire ${probabilityText(incident)}`, roundsText(incident), whereText(incident), judged].filter(Boolean) : [roundsText(incident)],
    };
  }

  dispose(): void {
    // It holds nothing.
  }
}

/** An alert of a kind that this page does not know: its reasons, as the collector gives them. */
class UnknownFace implements Face<Alert & { kind: "unknown" }> {
  readonly #why = element("span", "shot-where");
  readonly cells = [element("span", "row-pictures shot-rounds", {}, element("strong", "shot-count", {}, "?")), element("span", "shot-words", {}, this.#why)];

  show(alert: Alert & { kind: "unknown" }): Words {
    setText(this.#why, alert.why.join(" "));
    return { chip: "", title: unknownText(alert), place: latency(alert.latency_ms), spoken: [unknownText(alert), ...alert.why] };
  }

  dispose(): void {
    // It holds nothing.
  }
}

const FACES = { hit: HitFace, shot: ShotFace, unknown: UnknownFace } as const;

export class AlertRow {
  readonly root: HTMLElement;
  readonly button = element("button", "row", { type: "button" });
  readonly #state = element("span", "row-state");
  readonly #age = element("span", "row-age");
  readonly #severity = element("span", "chip severity");
  readonly #reason = element("span", "row-reason");
  readonly #caution = element("span", "row-caution");
  readonly #place = element("span", "row-place");
  #face: Face<never> | null = null;
  #kind = "";
  #happened_ms = 0;
  #shown: readonly unknown[] = [];

  constructor(id: number, onSelect: (id: number) => void) {
    this.button.append(
      element("span", "row-right", {}, this.#age, this.#state),
      element("span", "row-words", {}, this.#severity, this.#reason),
      element("span", "row-below", {}, this.#caution, this.#place),
    );
    this.button.addEventListener("click", () => onSelect(id));
    this.root = element("li", "", { "data-alert-id": String(id) }, this.button);
  }

  show(alert: Alert, state: RowState, selected: boolean): void {
    const shown = [alert, state.cropHere, state.failure, state.sameVehicle, selected];
    if (shown.every((part, index) => part === this.#shown[index])) return;
    this.#shown = shown;
    this.root.dataset["state"] = alert.state;
    this.root.dataset["support"] = alert.support;
    this.root.dataset["historical"] = String(alert.historical);
    if (selected) this.button.setAttribute("aria-current", "true");
    else this.button.removeAttribute("aria-current");
    const words = this.#faceOf(alert.kind).show(alert as never, state);
    setText(this.#severity, words.chip);
    setShown(this.#severity, words.chip !== "");
    setText(this.#reason, words.title);
    const merged = alert.kind === "shot" && alert.incident.merged_into !== null;
    const labels = [
      state.failure === null ? "" : "NOT ACKNOWLEDGED: failed",
      alert.recalled_why === null ? "" : "Recalled",
      alert.state === "new" && alert.escalated_at !== null ? "Escalated" : "",
      merged ? "Merged" : alert.support === "unsupported" ? "No longer supported" : "",
      alert.historical ? "Historical" : "",
      state.sameVehicle,
    ].filter(Boolean);
    setText(this.#caution, labels.join(" · "));
    setShown(this.#caution, labels.length > 0);
    setText(this.#place, words.place);
    const done = alert.disposition === null ? (alert.acknowledged_by ?? "") : dispositionText(alert.disposition);
    setText(this.#state, alert.state === "new" ? "NEW" : `✓ ${done}`);
    this.#happened_ms = Date.parse(happenedAt(alert));
    this.tick(state.collector_ms);
    const spoken = [{ new: "New alert", acknowledged: "Acknowledged alert", closed: "Closed alert" }[alert.state], ...words.spoken, ...cautions(alert, state.collector_ms)];
    if (state.sameVehicle !== "") spoken.push(state.sameVehicle);
    const verb = { hit: "captured", shot: "fired", unknown: "raised" }[alert.kind];
    this.button.setAttribute("aria-label", `${spoken.join(", ")}, ${verb} ${localTime(this.#happened_ms)}`);
  }

  tick(collector_ms: number): void {
    setText(this.#age, `${duration(collector_ms - this.#happened_ms)} ago`);
  }

  dispose(): void {
    this.#face?.dispose();
  }

  /** The face of this kind; an alert changes its kind only when a page that could not read it once can. */
  #faceOf(kind: Alert["kind"]): Face<never> {
    if (this.#face !== null && this.#kind === kind) return this.#face;
    if (this.#face !== null) for (const cell of this.#face.cells) cell.remove();
    this.#face?.dispose();
    this.#face = new FACES[kind]();
    this.#kind = kind;
    this.root.dataset["kind"] = kind;
    this.button.prepend(...this.#face.cells);
    return this.#face;
  }
}
