/**
 * What is selected, large: an alert of either kind, or an incident that raised none, with what one can answer to it.
 *
 * Its elements are built once and filled again, so that the button stays under the finger that presses it.
 */
import { ClosingBar } from "./closing-bar.ts";
import { element, setShown, setText } from "./dom.ts";
import { HandOffView } from "./hand-off-view.ts";
import { type HitState, HitView } from "./hit-view.ts";
import { IncidentView } from "./incident-view.ts";
import type { Alert, Disposition, Incident, VerdictWord } from "./records.ts";
import { incidentCautions, notAlertedText, roundsText } from "./shot-wording.ts";
import { localTime, utcStamp } from "./times.ts";
import { type JudgeState, VerdictBar } from "./verdict-bar.ts";
import type { GivenVerdict } from "./verdicts.ts";
import { cautions, dispositionText, historyText, reasonText, severityText, unknownText } from "./wording.ts";

export interface DetailState extends HitState {
  readonly sending: boolean;
  readonly failure: string | null;
  /** Why it could not be closed; empty if nothing failed. */
  readonly closingFailure: string;
  readonly mayAcknowledge: boolean;
  readonly role: string;
  readonly collector_ms: number;
  readonly judge: JudgeState;
}

export interface DetailListener {
  acknowledge(alert: number): void;
  close(alert: number, disposition: Disposition): void;
  judge(incident: number, given: GivenVerdict): void;
  showIncident(incident: number): void;
  say(words: string): void;
}

export class AlertDetail {
  readonly #root: HTMLElement;
  readonly #body = element("article", "detail-body");
  readonly #empty = element("p", "detail-empty");
  readonly #severity = element("span", "chip severity");
  readonly #reason = element("h2", "detail-reason");
  readonly #number = element("span", "detail-number");
  readonly #cautions = element("p", "cautions");
  readonly #handOff = new HandOffView();
  readonly #hit = new HitView();
  readonly #incident: IncidentView;
  readonly #unknown = element("ul", "unknown-why");
  readonly #verdict: VerdictBar;
  readonly #closing: ClosingBar;
  readonly #button = element("button", "primary acknowledge", { type: "button", id: "acknowledge" });
  readonly #outcome = element("p", "outcome", { id: "acknowledge-outcome" });
  readonly #failure = element("p", "failure", { id: "acknowledge-failure", role: "alert" });
  /** The incident shown, of an alert or by itself. */
  #shown: Incident | null = null;

  constructor(root: HTMLElement, listener: DetailListener) {
    this.#root = root;
    this.#incident = new IncidentView((words) => listener.say(words), (id) => listener.showIncident(id));
    this.#verdict = new VerdictBar((given) => {
      if (this.#shown !== null) listener.judge(this.#shown.id, given);
    });
    this.#closing = new ClosingBar((alert, disposition) => listener.close(alert, disposition));
    this.#button.addEventListener("click", () => {
      const id = Number(root.dataset["alertId"]);
      if (this.#button.getAttribute("aria-disabled") !== "true") listener.acknowledge(id);
    });
    const words = element("div", "answer-words", {}, this.#outcome, this.#failure);
    this.#body.append(
      element("header", "detail-head", {}, this.#severity, this.#reason, this.#number),
      this.#handOff.banner,
      this.#cautions,
      this.#hit.root,
      this.#incident.root,
      this.#unknown,
      this.#handOff.root,
      element("footer", "answer", {}, this.#verdict.root, element("div", "answer-line", {}, this.#button, words, this.#closing.root)),
    );
    root.append(this.#empty, this.#body);
    this.showNone("");
  }

  /** Nothing is selected; say why. */
  showNone(text: string): void {
    this.#of(null, null, "none");
    delete this.#root.dataset["state"];
    setShown(this.#body, false);
    setShown(this.#empty, true);
    setText(this.#empty, text);
  }

  /** Forget pictures, sounds and texts, when the session ends. */
  clear(): void {
    this.#hit.clear();
    this.showNone("");
  }

  stepCharacter(by: 1 | -1): void {
    if (!this.#hit.root.hidden) this.#hit.stepCharacter(by);
  }

  playNextClip(): void {
    this.#incident.playNextClip();
  }

  stopClip(): void {
    this.#incident.stopClip();
  }

  zoom(): void {
    this.#incident.zoom();
  }

  copyCoordinates(): void {
    void this.#incident.copyCoordinates();
  }

  chooseVerdict(word: VerdictWord): void {
    if (this.#shown !== null) this.#verdict.choose(word);
  }

  /** Once a second: what depends on the time alone. */
  tick(collector_ms: number): void {
    this.#verdict.tick(collector_ms);
  }

  show(alert: Alert, state: DetailState): void {
    const incident = alert.kind === "shot" ? alert.incident : null;
    this.#of(alert.id, incident, alert.kind);
    this.#root.dataset["state"] = alert.state;
    const chip = { hit: alert.kind === "hit" ? severityText(alert.entry) : "", shot: "Shot", unknown: "" }[alert.kind];
    const title = alert.kind === "hit" ? reasonText(alert.entry) : alert.kind === "shot" ? roundsText(alert.incident) : unknownText(alert);
    this.#head(chip, title, `Alert ${alert.id}${incident === null ? "" : ` · incident ${incident.id}`}`);
    const said = cautions(alert, state.collector_ms);
    this.#caution(said, historyText(alert, state.passage));
    if (alert.kind === "hit") this.#hit.show(alert, state);
    else if (alert.kind === "shot") this.#showIncident(alert.incident, state, alert.why);
    else this.#unknown.replaceChildren(...[...alert.why, alert.problem].filter(Boolean).map((line) => element("li", "", {}, line)));
    this.#handOff.show(alert);
    this.#answer(alert, state);
  }

  /** An incident that raised no alert: there is nothing to acknowledge. */
  showIncident(incident: Incident, state: DetailState): void {
    this.#of(null, incident, "shot");
    delete this.#root.dataset["state"];
    this.#head(incident.alert === null ? "Not alerted" : "Shot", roundsText(incident), `Incident ${incident.id}`);
    this.#caution(incidentCautions(incident, false, state.collector_ms), `${incident.stage}, revision ${incident.revision}`);
    const quiet = incident.alert === null ? `Raised no alert: ${notAlertedText(incident)}` : `Raised alert ${incident.alert}, which the collector does not give now`;
    this.#showIncident(incident, state, []);
    this.#handOff.hide();
    setShown(this.#button, false);
    this.#closing.hide();
    setText(this.#outcome, quiet);
    setText(this.#failure, "");
  }

  #showIncident(incident: Incident, state: DetailState, why: readonly string[]): void {
    this.#incident.show(incident, { ...state, why });
    this.#verdict.show(incident, state.judge);
  }

  /** Turn to an alert, an incident or both: the parts of another kind go, and what plays stops. */
  #of(alert: number | null, incident: Incident | null, kind: Alert["kind"] | "none"): void {
    const { dataset } = this.#root;
    const key = `${alert ?? ""}/${incident?.id ?? ""}`;
    const other = dataset["shown"] !== key;
    dataset["shown"] = key;
    dataset["kind"] = kind;
    if (alert === null) delete dataset["alertId"];
    else dataset["alertId"] = String(alert);
    if (incident === null) delete dataset["incidentId"];
    else dataset["incidentId"] = String(incident.id);
    // The same incident may have raised its alert just now: then what plays goes on.
    if (incident === null || incident.id !== this.#shown?.id) {
      this.#incident.clear();
      this.#verdict.clear();
    }
    this.#shown = incident;
    setShown(this.#empty, false);
    setShown(this.#body, true);
    setShown(this.#hit.root, kind === "hit");
    setShown(this.#incident.root, kind === "shot");
    setShown(this.#verdict.root, kind === "shot");
    setShown(this.#unknown, kind === "unknown");
    if (other) this.#root.scrollTop = 0;
  }

  #head(chip: string, title: string, number: string): void {
    setText(this.#severity, chip);
    setShown(this.#severity, chip !== "");
    setText(this.#reason, title);
    setText(this.#number, number);
  }

  #caution(said: readonly string[], otherwise: string): void {
    setText(this.#cautions, said.length > 0 ? said.join(". ") : otherwise);
    this.#cautions.dataset["any"] = String(said.length > 0);
  }

  #answer(alert: Alert, state: DetailState): void {
    const open = alert.state === "new";
    const able = open && state.mayAcknowledge && !state.sending;
    setShown(this.#button, open);
    // Not `disabled`: that would take the focus away while the request is under way.
    this.#button.setAttribute("aria-disabled", String(!able));
    setText(this.#button, state.sending ? "Acknowledging…" : state.failure === null ? "Acknowledge (a)" : "Try again (a)");
    this.#closing.show(alert, state.mayAcknowledge, state.closingFailure);
    if (alert.disposition !== null) {
      setText(this.#outcome, `✓ Closed as ${dispositionText(alert.disposition)} by ${alert.closed_by ?? "unknown"}${atTime(alert.closed_at)}`);
    } else if (!open) {
      setText(this.#outcome, `✓ Acknowledged by ${alert.acknowledged_by ?? "unknown"}${atTime(alert.acknowledged_at)}`);
    } else {
      setText(this.#outcome, state.mayAcknowledge ? "" : `Your role (${state.role}) cannot acknowledge alerts`);
    }
    setText(this.#failure, open && state.failure !== null ? `Not acknowledged: ${state.failure}` : "");
  }
}

const atTime = (when: string | null): string =>
  when === null ? "" : ` at ${localTime(Date.parse(when))} (${utcStamp(when).replace(/\.\d+/, "")})`;
