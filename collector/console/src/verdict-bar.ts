/** What a person says it was: five buttons, the time left, and who has said what. */
import { element, setShown, setText } from "./dom.ts";
import type { EarlierVerdict, Incident, VerdictWord } from "./records.ts";
import { VERDICTS, dueText, verdictText } from "./shot-wording.ts";
import { duration, localTime, utcStamp } from "./times.ts";
import type { GivenVerdict, VerdictState } from "./verdicts.ts";

const LONGEST = 200;

export interface JudgeState extends VerdictState {
  readonly mayJudge: boolean;
  readonly role: string;
  /** What was said of it, oldest first, as far as the page has asked. */
  readonly earlier: readonly EarlierVerdict[];
  readonly collector_ms: number;
}

export class VerdictBar {
  readonly root = element("section", "verdict", { "aria-labelledby": "verdict-title" });
  readonly #due = element("span", "verdict-due", { id: "verdict-due" });
  readonly #buttons = new Map<VerdictWord, HTMLButtonElement>();
  readonly #form = element("form", "verdict-other", { id: "verdict-other" });
  readonly #what = element("input", "", { id: "verdict-what", maxlength: String(LONGEST), autocomplete: "off", required: "" });
  readonly #outcome = element("p", "verdict-outcome", { id: "verdict-outcome" });
  readonly #earlier = element("p", "verdict-earlier", { id: "verdict-earlier" });
  readonly #failure = element("p", "failure", { id: "verdict-failure", role: "alert" });
  readonly #onVerdict: (given: GivenVerdict) => void;
  #incident: Incident | null = null;
  #able = false;

  constructor(onVerdict: (given: GivenVerdict) => void) {
    this.#onVerdict = onVerdict;
    const group = element("div", "verdict-buttons", { role: "group", "aria-labelledby": "verdict-title" });
    VERDICTS.forEach(([word, label], index) => {
      const button = element("button", "verdict-button", { type: "button", "data-verdict": word }, `${label} `, element("kbd", "", {}, String(index + 1)));
      button.addEventListener("click", () => this.choose(word));
      this.#buttons.set(word, button);
      group.append(button);
    });
    const cancel = element("button", "", { type: "button" }, "Cancel ", element("kbd", "", {}, "Esc"));
    cancel.addEventListener("click", () => this.#close());
    this.#form.append(
      element("label", "", { for: "verdict-what" }, "It was"),
      this.#what,
      element("button", "primary", { type: "submit" }, "Record"),
      cancel,
    );
    this.#form.addEventListener("submit", (submission) => {
      submission.preventDefault();
      const what = this.#what.value.trim();
      if (what === "") return;
      this.#close();
      this.#onVerdict({ verdict: "other", what });
    });
    this.#form.addEventListener("keydown", (press) => {
      if (press.key === "Escape") this.#close();
    });
    this.root.append(
      element("div", "verdict-head", {}, element("h3", "verdict-title", { id: "verdict-title" }, "What was it?"), this.#due),
      group,
      this.#form,
      element("div", "verdict-words", {}, this.#outcome, this.#earlier, this.#failure),
    );
    setShown(this.#form, false);
  }

  /** Give this verdict; for "other" ask first what it was. */
  choose(word: VerdictWord): void {
    if (this.#incident === null || !this.#able) return;
    if (word === "other") {
      setShown(this.#form, true);
      this.#what.focus();
      return;
    }
    this.#close();
    this.#onVerdict({ verdict: word, what: null });
  }

  show(incident: Incident, state: JudgeState): void {
    if (incident.id !== this.#incident?.id) {
      this.#what.value = "";
      setShown(this.#form, false);
    }
    this.#incident = incident;
    this.#able = state.mayJudge && incident.merged_into === null;
    setShown(this.root, incident.merged_into === null);
    const chosen = state.sending?.verdict ?? incident.verdict?.verdict;
    for (const [word, button] of this.#buttons) {
      button.setAttribute("aria-pressed", String(word === chosen));
      button.setAttribute("aria-disabled", String(!this.#able));
      button.dataset["sending"] = String(state.sending?.verdict === word);
    }
    this.tick(state.collector_ms);
    const { verdict } = incident;
    if (state.sending !== null) setText(this.#outcome, `Recording: ${verdictText(state.sending)}…`);
    else if (verdict !== null) setText(this.#outcome, `✓ ${verdictText(verdict)}, by ${verdict.by} at ${localTime(Date.parse(verdict.at))} (${utcStamp(verdict.at).replace(/\.\d+/, "")}), ${afterText(incident, verdict.after_s)}`);
    else setText(this.#outcome, state.mayJudge ? "" : `Your role (${state.role}) cannot give verdicts`);
    this.root.dataset["judged"] = String(verdict !== null && state.sending === null);
    // The last of them is the one in force, shown above; while another one is recorded it is still in force.
    const earlier = state.earlier.slice(0, -1).map((one) => `${verdictText(one)}, ${one.by} at ${localTime(Date.parse(one.at))}`);
    const now = state.sending !== null && verdict !== null ? `Now: ${verdictText(verdict)}, ${verdict.by}. ` : "";
    setText(this.#earlier, `${now}${earlier.length > 0 ? `Before: ${earlier.reverse().join("; ")}` : ""}`);
    setText(this.#failure, state.failure);
  }

  tick(collector_ms: number): void {
    if (this.#incident === null) return;
    const due = dueText(this.#incident, collector_ms);
    setText(this.#due, due.text);
    this.#due.dataset["state"] = due.state;
  }

  clear(): void {
    this.#incident = null;
    this.#what.value = "";
    setShown(this.#form, false);
  }

  #close(): void {
    const inside = this.#form.contains(document.activeElement);
    setShown(this.#form, false);
    if (inside) this.#buttons.get("other")?.focus();
  }
}

const afterText = (incident: Incident, after_s: number): string =>
  `${duration(after_s * 1000)} after ${incident.alert === null ? "it was heard" : "the alert"}`;
