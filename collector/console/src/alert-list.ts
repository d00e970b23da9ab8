/** The list of alerts: one row an alert, kept between updates so that nothing flickers and nothing loses the focus. */
import { arrange, element, setShown, setText } from "./dom.ts";
import { Picture } from "./picture.ts";
import { PlatePair } from "./plate-pair.ts";
import type { Alert } from "./records.ts";
import { duration, latency, localTime } from "./times.ts";
import { cautions, reasonText, severityText } from "./wording.ts";

/** What the list needs to know of an alert beside the alert. */
export interface RowState {
  readonly cropHere: boolean;
  /** Why the last acknowledgement failed; null if none did. */
  readonly failure: string | null;
  /** Which other alerts are for the same vehicle, in words; empty if none. */
  readonly sameVehicle: string;
  readonly collector_ms: number;
}

class Row {
  readonly root: HTMLElement;
  readonly button = element("button", "row", { type: "button" });
  readonly #crop = new Picture("picture-row", "Picture");
  readonly #plates = new PlatePair("plate-pair-row", null);
  readonly #state = element("span", "row-state");
  readonly #age = element("span", "row-age");
  readonly #severity = element("span", "chip severity");
  readonly #reason = element("span", "row-reason");
  readonly #caution = element("span", "row-caution");
  readonly #place = element("span", "row-place");
  #captured_ms = 0;
  #shown: readonly unknown[] = [];

  constructor(id: number, onSelect: (id: number) => void) {
    this.button.append(
      element("span", "row-pictures", {}, this.#crop.root),
      this.#plates.root,
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
    const { read, entry } = alert;
    this.root.dataset["state"] = alert.state;
    this.root.dataset["support"] = alert.support;
    this.root.dataset["historical"] = String(alert.historical);
    if (selected) this.button.setAttribute("aria-current", "true");
    else this.button.removeAttribute("aria-current");
    this.#crop.show(read.id, read.crop, state.cropHere, "");
    this.#plates.show(alert);
    setText(this.#severity, severityText(entry));
    setShown(this.#severity, severityText(entry) !== "");
    setText(this.#reason, reasonText(entry));
    const labels = [
      state.failure === null ? "" : "NOT ACKNOWLEDGED: failed",
      alert.support === "unsupported" ? "No longer supported" : "",
      alert.historical ? "Historical" : "",
      state.sameVehicle,
    ].filter(Boolean);
    setText(this.#caution, labels.join(" · "));
    setShown(this.#caution, labels.length > 0);
    setText(this.#place, `${read.device} · ${read.camera} · ${latency(alert.latency_ms)}`);
    setText(this.#state, alert.state === "new" ? "NEW" : `✓ ${alert.acknowledged_by ?? ""}`);
    this.#captured_ms = Date.parse(read.captured_at);
    this.tick(state.collector_ms);
    const spoken = [alert.state === "new" ? "New alert" : "Acknowledged alert", `read ${[...read.text].join(" ")}`];
    spoken.push(`listed ${[...entry.plate].join(" ")}`, reasonText(entry), ...cautions(alert, state.collector_ms));
    if (state.sameVehicle !== "") spoken.push(state.sameVehicle);
    this.button.setAttribute("aria-label", `${spoken.join(", ")}, captured ${localTime(this.#captured_ms)}`);
  }

  tick(collector_ms: number): void {
    setText(this.#age, `${duration(collector_ms - this.#captured_ms)} ago`);
  }

  dispose(): void {
    this.#crop.dispose();
  }
}

export class AlertList {
  readonly #list: HTMLElement;
  readonly #scroll: HTMLElement;
  readonly #newer: HTMLElement;
  readonly #rows = new Map<number, Row>();
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

  #rowOf(id: number): Row {
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const made = new Row(id, this.#onSelect);
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
