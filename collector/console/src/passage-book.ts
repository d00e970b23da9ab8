/**
 * The passages that the page knows: which other reads are of the same vehicle.
 *
 * Pure, and bounded: the {@link LIMIT} passages heard of last. A read is in one passage at most; a passage that its reads
 * have left is forgotten.
 */
import type { Passage, PlateRead } from "./records.ts";

export const LIMIT = 500;

export class PassageBook {
  readonly #passages = new Map<number, Passage>();
  readonly #ofRead = new Map<number, number>();

  get(id: number): Passage | undefined {
    return this.#passages.get(id);
  }

  /** The passage that a read is part of, as far as the page has heard. */
  ofRead(id: number): Passage | undefined {
    const passage = this.#ofRead.get(id);
    return passage === undefined ? undefined : this.#passages.get(passage);
  }

  clear(): void {
    this.#passages.clear();
    this.#ofRead.clear();
  }

  /** Take a passage as the collector says it is now; returns the reads for which that may be something new. */
  apply(passage: Passage): number[] {
    const before = this.#forget(passage.id);
    if (passage.reads.length > 0) {
      this.#passages.set(passage.id, passage);
      for (const read of passage.reads) this.#ofRead.set(read.id, passage.id);
    }
    for (const oldest of this.#passages.keys()) {
      if (this.#passages.size <= LIMIT) break;
      this.#forget(oldest);
    }
    return [...new Set([...before, ...passage.reads.map((read) => read.id)])];
  }

  /**
   * Take the newest passages, as a list has them that was asked for a while ago; returns as {@link apply} does.
   *
   * @param told those that the stream has told of since: what it said is newer than the list.
   */
  merge(listed: readonly Passage[], told: ReadonlySet<number>): number[] {
    const inList = new Set(listed.map((passage) => passage.id));
    const oldest = Math.min(...inList);
    const left = [...this.#passages.keys()].filter((id) => id >= oldest && !inList.has(id) && !told.has(id));
    const changed = left.flatMap((id) => this.#forget(id));
    // The list is newest first, and of those that do not fit the oldest give way.
    for (const passage of [...listed].reverse()) if (!told.has(passage.id)) changed.push(...this.apply(passage));
    return changed;
  }

  /** Take a revision of a read: of that the collector tells by itself, and not of the passage once more. */
  revise(read: PlateRead): void {
    const passage = this.ofRead(read.id);
    const before = passage?.reads.find((one) => one.id === read.id);
    if (passage === undefined || before === undefined || read.revision < before.revision) return;
    this.#passages.set(passage.id, { ...passage, reads: passage.reads.map((one) => (one === before ? read : one)) });
  }

  #forget(id: number): number[] {
    const reads = (this.#passages.get(id)?.reads ?? []).map((read) => read.id);
    // A read that has gone on to another passage belongs to that one.
    for (const read of reads) if (this.#ofRead.get(read) === id) this.#ofRead.delete(read);
    this.#passages.delete(id);
    return reads;
  }
}
