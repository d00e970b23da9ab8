/** The list of alerts: one row an alert, kept between updates so that nothing flickers and nothing loses the focus. */
import { AlertRow, type RowState } from "./alert-row.ts";
import { arrange, setShown, setText } from "./dom.ts";
import type { Alert } from "./records.ts";

export class AlertList {
  readonly #list: HTMLElement;
  readonly #scroll: HTMLElement;
  readonly #newer: HTMLElement;
  readonly #rows = new Map<number, AlertRow>();
  readonly #onSelect: (id: number) => void;

  /** @param newer the button that says how many alerts stand above what is in view. */
  constructor(list: HTMLElement, scroll: HTMLElement, newer: HTMLElement, onSelect: (id: number) => void) {
    this.#list = list;
    this.#scroll = scroll;
    this.#newer = newer;
    this.#onSelect = onSelect;
    newer.addEventListener("click", () => scroll.scrollTo({ top: 0 }));
    scroll.addEventListener("scroll", () => this.#countNewer(), { passive: true });
  }

  /** Show these alerts in this order. Whoever has scrolled down, and the selected alert, stay where they are. */
  show(alerts: readonly Alert[], selected: number | null, stateOf: (alert: Alert) => RowState): void {
    const anchor = this.#anchor(selected);
    const before = anchor?.getBoundingClientRect().top ?? 0;
    const wanted = new Set(alerts.map((alert) => alert.id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      row.dispose();
      this.#rows.delete(id);
    }
    arrange(this.#list, alerts.map((alert) => this.#rowOf(alert.id).root));
    for (const alert of alerts) this.#rowOf(alert.id).show(alert, stateOf(alert), alert.id === selected);
    if (anchor?.isConnected) {
      const moved = anchor.getBoundingClientRect().top - before;
      const room = this.#scroll.getBoundingClientRect().bottom - anchor.getBoundingClientRect().bottom;
      // At the top of the list new alerts push the others down, in view, for as long as the selected one stays in view.
      if (this.#scroll.scrollTop > 0) this.#scroll.scrollTop += moved;
      else if (room < 0) this.#scroll.scrollTop -= room;
    }
    this.#countNewer();
  }

  /** Bring an alert's row into view and, if asked, the keyboard focus to it. */
  reveal(id: number, focus: boolean): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    row.root.scrollIntoView({ block: "nearest" });
    if (focus) row.button.focus({ preventScroll: true });
  }

  tick(collector_ms: number): void {
    for (const row of this.#rows.values()) row.tick(collector_ms);
  }

  #rowOf(id: number): AlertRow {
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const made = new AlertRow(id, this.#onSelect);
    this.#rows.set(id, made);
    return made;
  }

  /** The row that must not move: the selected one if it is in view, else the first in view. */
  #anchor(selected: number | null): HTMLElement | null {
    const view = this.#scroll.getBoundingClientRect();
    const inView = (row: HTMLElement): boolean => {
      const place = row.getBoundingClientRect();
      return place.bottom > view.top && place.top < view.bottom;
    };
    const selectedRow = selected === null ? undefined : this.#rows.get(selected)?.root;
    if (selectedRow?.isConnected && inView(selectedRow)) return selectedRow;
    return [...this.#rows.values()].map((row) => row.root).find((row) => row.isConnected && inView(row)) ?? null;
  }

  #countNewer(): void {
    const top = this.#scroll.getBoundingClientRect().top;
    let above = 0;
    for (const row of this.#rows.values()) {
      if (row.root.dataset["state"] === "new" && row.root.getBoundingClientRect().bottom <= top + 8) above++;
    }
    setShown(this.#newer, above > 0);
    setText(this.#newer, `▲ ${above} unacknowledged above`);
  }
}
