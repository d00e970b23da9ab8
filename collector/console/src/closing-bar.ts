/** Closing an alert: the dispositions that it can have, one button, and why it was not recorded. */
import { element, setShown, setText } from "./dom.ts";
import type { Alert, Disposition } from "./records.ts";
import { dispositionsFor } from "./wording.ts";

export class ClosingBar {
  readonly root = element("form", "closing", { id: "closing" });
  readonly #choice = element("select", "", { id: "disposition" });
  readonly #button = element("button", "", { type: "submit", id: "close-alert" }, "Close");
  readonly #failure = element("p", "failure", { id: "closing-failure", role: "alert" });
  #shown = "";

  constructor(onClose: (alert: number, disposition: Disposition) => void) {
    this.root.append(element("label", "", { for: "disposition" }, "Close as"), this.#choice, this.#button, this.#failure);
    this.root.addEventListener("submit", (submission) => {
      submission.preventDefault();
      const disposition = this.#choice.value;
      if (disposition !== "") onClose(Number(this.root.dataset["alert"]), disposition as Disposition);
    });
  }

  /** @param failure why closing this alert failed; empty if it did not. */
  show(alert: Alert, mayClose: boolean, failure: string): void {
    setShown(this.root, mayClose && alert.state !== "closed");
    setText(this.#failure, failure);
    const shown = `${alert.id}/${alert.kind}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.root.dataset["alert"] = String(alert.id);
    // Nothing is chosen beforehand: a disposition is somebody's verdict.
    const none = element("option", "", { value: "" }, "…");
    this.#choice.replaceChildren(none, ...dispositionsFor(alert).map(([word, label]) => element("option", "", { value: word }, label)));
  }

  hide(): void {
    setShown(this.root, false);
  }
}
