/**
 * The incidents that the page knows, whether they raised an alert or not.
 *
 * Pure, and bounded: the {@link LIMIT} newest. What the stream said is never undone by the older answer of a list request.
 */
import type { Incident } from "./records.ts";

export const LIMIT = 500;

export class IncidentBook {
  readonly #incidents = new Map<number, Incident>();

  get(id: number): Incident | undefined {
    return this.#incidents.get(id);
  }

  /** Whether it holds no more: whoever looks for older ones looks elsewhere. */
  get full(): boolean {
    return this.#incidents.size >= LIMIT;
  }

  clear(): void {
    this.#incidents.clear();
  }

  /** Take an incident as the collector says it is now; false if a later revision is known. */
  apply(incident: Incident, keep: number | null = null): boolean {
    const known = this.#incidents.get(incident.id);
    if (known !== undefined && known.revision > incident.revision) return false;
    this.#incidents.set(incident.id, incident);
    for (const id of [...this.#incidents.keys()].sort((a, b) => a - b)) {
      if (this.#incidents.size <= LIMIT) break;
      if (id !== keep) this.#incidents.delete(id);
    }
    return true;
  }

  /** @param told those that the stream has told of since the list was asked for. */
  merge(listed: readonly Incident[], told: ReadonlySet<number>, keep: number | null): void {
    for (const incident of listed) if (!told.has(incident.id)) this.apply(incident, keep);
  }

  /** Those that called nobody, newest first. */
  notAlerted(): Incident[] {
    const quiet = [...this.#incidents.values()].filter((incident) => incident.alert === null && incident.merged_into === null);
    return quiet.sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || b.id - a.id);
  }
}
