/**
 * Whether an alert is confirmed, what people found out about it, and the words with which it is handed on.
 *
 * The words are the collector's: nothing here words a hand-off. Without its word that the record is confirmed it is not.
 */
import { element, setShown, setText } from "./dom.ts";
import { Fact } from "./fact.ts";
import type { Alert } from "./records.ts";
import { confirmByText, imageCheckTexts, outcomeText, recordCheckText } from "./wording.ts";

export class HandOffView {
  /** One line, to stand above everything else. */
  readonly banner = element("p", "record-state", { id: "record-state" });
  readonly root = element("section", "hand-off", { "aria-label": "Hand-off" });
  readonly #word = element("strong", "record-word");
  readonly #why = element("span", "record-why");
  readonly #facts = element("dl", "facts checks");
  readonly #image = new Fact("Image check", "image-check");
  readonly #record = new Fact("Record check", "record-check");
  readonly #outcome = new Fact("Field outcome", "field-outcome");
  readonly #text = element("ul", "hand-off-text", { id: "hand-off" });

  constructor() {
    this.banner.append(this.#word, this.#why);
    this.#facts.append(this.#image.root, this.#record.root, this.#outcome.root);
    this.root.append(this.#facts, element("h3", "hand-off-title", {}, "Hand-off"), this.#text);
  }

  /** An incident that raised no alert is handed on by nobody. */
  hide(): void {
    setShown(this.banner, false);
    setShown(this.root, false);
  }

  show(alert: Alert): void {
    setShown(this.banner, true);
    setShown(this.root, true);
    const hit = alert.kind === "hit";
    this.banner.dataset["confirmed"] = String(alert.confirmed);
    setText(this.#word, !alert.confirmed ? "NOT CONFIRMED" : hit ? "RECORD ACTIVE" : "CONFIRMED");
    setText(this.#why, hit ? recordCheckText(alert) : "");
    setShown(this.#facts, hit);
    this.#image.show(...imageCheckTexts(alert));
    this.#image.mark(Object.values(alert.image_check ?? {}).includes("mismatch") ? "different" : "");
    this.#record.show(alert.confirmed ? `active (${recordCheckText(alert)})` : recordCheckText(alert), alert.record_check?.reference ?? "", confirmByText(alert));
    this.#outcome.show(outcomeText(alert));
    const lines = alert.hand_off.split("\n").filter(Boolean);
    if (lines.join("\n") === [...this.#text.children].map((line) => line.textContent).join("\n")) return;
    this.#text.replaceChildren(...lines.map((line) => element("li", "", /^(NOT CONFIRMED|RECALLED|NO LONGER|HISTORICAL)/.test(line) ? { "data-warns": "" } : {}, line)));
  }
}
