/** The plate as read over the plate as listed, one tile a character, so that a difference cannot be overlooked. */
import { type Agreement, type Column, LOW_PROBABILITY, align, columnsOf, describeColumn } from "./alignment.ts";
import { element } from "./dom.ts";
import type { HitAlert } from "./records.ts";

/** Shape and colour both say it; blank where the characters are the same. */
const MARKS: Readonly<Record<Agreement, string>> = { same: "", folded: "≈", different: "≠", unlisted: "+", unread: "−" };

const isLow = (column: Column): boolean => column.probability !== null && column.probability < LOW_PROBABILITY;

export class PlatePair {
  readonly root: HTMLElement;
  /** The columns shown now. */
  columns: readonly Column[] = [];
  readonly #probabilities = element("span", "plate-probabilities", { "aria-hidden": "true" });
  readonly #read = element("span", "plate plate-read", { role: "group" });
  readonly #marks = element("span", "plate-marks", { "aria-hidden": "true" });
  readonly #listed = element("span", "plate plate-listed", { role: "img" });
  readonly #onPoint: ((column: Column | null, position: number) => void) | null;
  #shown = "";

  /** @param onPoint called with the column under pointer or focus, and null when it is left; null: tiles are no stops. */
  constructor(className: string, onPoint: ((column: Column | null, position: number) => void) | null) {
    this.#onPoint = onPoint;
    this.root = element(
      "span",
      `plate-pair ${className}`,
      {},
      this.#probabilities,
      this.#read,
      this.#marks,
      this.#listed,
    );
  }

  show(alert: HitAlert): void {
    const { text, slots } = alert.read;
    const shown = JSON.stringify([alert.id, text, slots, alert.entry.plate, alert.alignment]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const given = alert.alignment ?? [];
    this.columns = given.length > 0 ? columnsOf(given, slots) : align(text, slots, alert.entry.plate);
    this.root.style.setProperty("--columns", String(Math.max(this.columns.length, 7)));
    this.#read.setAttribute("aria-label", `Read ${[...alert.read.text].join(" ")}`);
    this.#listed.setAttribute("aria-label", `Listed ${[...alert.entry.plate].join(" ")}`);
    this.#probabilities.replaceChildren(
      ...this.columns.map((column) =>
        element("span", "cell", {}, isLow(column) ? `${Math.floor((column.probability ?? 0) * 100 + 1e-6)} %` : ""),
      ),
    );
    this.#read.replaceChildren(...this.columns.map((column, index) => this.#readTile(column, index)));
    this.#marks.replaceChildren(
      ...this.columns.map((column) => element("span", `cell mark-${column.agreement}`, {}, MARKS[column.agreement])),
    );
    this.#listed.replaceChildren(
      ...this.columns.map((column) => element("span", `cell tile ${column.agreement}`, {}, column.listed ?? "")),
    );
  }

  /** Move the focus by one character, from none to the first or last one. */
  step(by: 1 | -1): void {
    const tiles = [...this.#read.children].filter((tile): tile is HTMLElement => tile instanceof HTMLElement);
    const focused = tiles.findIndex((tile) => tile === document.activeElement);
    const next = focused < 0 ? (by > 0 ? 0 : tiles.length - 1) : focused + by;
    tiles[Math.min(tiles.length - 1, Math.max(0, next))]?.focus();
  }

  #readTile(column: Column, index: number): HTMLElement {
    const low = isLow(column) ? " low" : "";
    const tile = element("span", `cell tile ${column.agreement}${low}`, {}, column.read ?? "");
    const onPoint = this.#onPoint;
    if (onPoint === null) return tile;
    tile.setAttribute("role", "img");
    tile.setAttribute("aria-label", describeColumn(column, index + 1));
    tile.tabIndex = index === 0 ? 0 : -1;
    for (const entering of ["pointerenter", "focus"]) tile.addEventListener(entering, () => onPoint(column, index + 1));
    for (const leaving of ["pointerleave", "blur"]) tile.addEventListener(leaving, () => onPoint(null, index + 1));
    return tile;
  }
}
