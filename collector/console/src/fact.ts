/** One named fact of the selected alert. */
import { element, setShown } from "./dom.ts";

export class Fact {
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
