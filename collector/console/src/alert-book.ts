/**
 * The alerts that the page knows, in the order it shows them.
 *
 * Pure, and bounded: at most {@link NEW_LIMIT} unacknowledged and {@link ACKNOWLEDGED_LIMIT} acknowledged or closed alerts.
 * What the stream said is never undone by the older answer of a list request: see {@link AlertBook.merge}.
 */
import type { Alert, Incident, PlateRead } from "./records.ts";

export const NEW_LIMIT = 200;
export const ACKNOWLEDGED_LIMIT = 50;

export class AlertBook {
  readonly #alerts = new Map<number, Alert>();
  readonly #heardAt = new Map<number, number>();
  #turn = 0;
  #truncated = false;

  /** True while there are more unacknowledged alerts than the page holds; it then holds the newest. */
  get truncated(): boolean {
    return this.#truncated;
  }

  get unacknowledged(): number {
    let count = 0;
    for (const alert of this.#alerts.values()) if (alert.state === "new") count++;
    return count;
  }

  get(id: number): Alert | undefined {
    return this.#alerts.get(id);
  }

  clear(): void {
    this.#alerts.clear();
    this.#heardAt.clear();
    this.#truncated = false;
  }

  /** Take an alert as the collector says it is now; true if it was not known. */
  apply(alert: Alert, keep: number | null = null): boolean {
    const unknown = !this.#alerts.has(alert.id);
    this.#alerts.set(alert.id, alert);
    this.#heardAt.set(alert.id, ++this.#turn);
    this.#trim(keep);
    return unknown;
  }

  /** Take a revision of a read: its alerts are told again only if it changes how they stand. */
  revise(read: PlateRead): void {
    for (const alert of this.#alerts.values()) {
      if (alert.kind !== "hit" || alert.read.id !== read.id || read.revision < alert.read.revision) continue;
      this.#alerts.set(alert.id, { ...alert, read });
      this.#heardAt.set(alert.id, ++this.#turn);
    }
  }

  /** Take an incident as it is told by itself: its alert is told again only if it changes how that stands. */
  retell(incident: Incident): void {
    for (const alert of this.#alerts.values()) {
      if (alert.kind !== "shot" || alert.incident.id !== incident.id || incident.revision < alert.incident.revision) continue;
      this.#alerts.set(alert.id, { ...alert, incident });
      this.#heardAt.set(alert.id, ++this.#turn);
    }
  }

  /** The alert that an incident raised. */
  ofIncident(incident: number): Alert | undefined {
    return [...this.#alerts.values()].find((alert) => alert.kind === "shot" && alert.incident.id === incident);
  }

  remove(id: number): void {
    this.#alerts.delete(id);
    this.#heardAt.delete(id);
  }

  /** To be called before a list is requested; its answer comes back with this number to {@link merge}. */
  beginList(): number {
    return this.#turn;
  }

  /**
   * Take a list that was requested at `begun`; an alert heard of since then is newer than the list and stays.
   *
   * @param complete whether `listed` holds every unacknowledged alert.
   * @returns the ids that were not known, and those shown as unacknowledged that the list should have held but
   *   does not: they were acknowledged elsewhere while nobody told us, and want asking one by one.
   */
  merge(listed: readonly Alert[], begun: number, complete: boolean, keep: number | null): { unknown: number[]; doubtful: number[] } {
    const unknown: number[] = [];
    for (const alert of listed) {
      if ((this.#heardAt.get(alert.id) ?? 0) > begun) continue;
      if (!this.#alerts.has(alert.id)) unknown.push(alert.id);
      this.#alerts.set(alert.id, alert);
      this.#heardAt.set(alert.id, begun);
    }
    const inList = new Set(listed.map((alert) => alert.id));
    const fresh = listed.filter((alert) => alert.state === "new").map((alert) => alert.id);
    const oldest = complete ? -Infinity : Math.min(Infinity, ...fresh);
    const doubtful = [...this.#alerts.values()]
      .filter((alert) => alert.state === "new" && alert.id > oldest && !inList.has(alert.id))
      .filter((alert) => (this.#heardAt.get(alert.id) ?? 0) <= begun)
      .map((alert) => alert.id);
    this.#truncated = !complete;
    this.#trim(keep);
    return { unknown, doubtful };
  }

  /** The ids of the other alerts whose reads are of the same passage, newest first. */
  ofSameVehicle(alert: Alert): number[] {
    const passage = alert.kind === "hit" ? alert.read.passage : null;
    if (passage === null) return [];
    const same = [...this.#alerts.values()].filter((one) => one.kind === "hit" && one.read.passage === passage && one.id !== alert.id);
    return same.map((one) => one.id).sort((a, b) => b - a);
  }

  /**
   * Unacknowledged alerts first, then acknowledged ones, each newest first.
   *
   * @param pinned an alert that keeps its place among the unacknowledged ones: the selected alert does not move
   *   away because it was acknowledged.
   */
  ordered(pinned: number | null): Alert[] {
    const group = (alert: Alert): number => (alert.state === "new" || alert.id === pinned ? 0 : 1);
    return [...this.#alerts.values()].sort((a, b) => group(a) - group(b) || b.id - a.id);
  }

  #trim(keep: number | null): void {
    const over = { new: -NEW_LIMIT, acknowledged: -ACKNOWLEDGED_LIMIT };
    const group = (alert: Alert): "new" | "acknowledged" => (alert.state === "new" ? "new" : "acknowledged");
    for (const alert of this.#alerts.values()) over[group(alert)]++;
    if (over.new <= 0 && over.acknowledged <= 0) return;
    if (over.new > 0) this.#truncated = true;
    for (const alert of [...this.#alerts.values()].sort((a, b) => a.id - b.id)) {
      if (over[group(alert)] <= 0 || alert.id === keep) continue;
      over[group(alert)]--;
      this.remove(alert.id);
    }
  }
}

/** The id `step` places below (or above, if negative) `selected`; the first where nothing is selected. */
export function neighbour(ids: readonly number[], selected: number | null, step: number): number | null {
  if (ids.length === 0) return null;
  const index = selected === null ? -1 : ids.indexOf(selected);
  if (index < 0) return ids[0] ?? null;
  return ids[Math.min(ids.length - 1, Math.max(0, index + step))] ?? null;
}
