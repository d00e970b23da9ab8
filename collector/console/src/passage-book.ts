/**
 * The passages that the page knows: which other reads are of the same vehicle.
 *
 * Pure, and bounded: the {@link LIMIT} passages heard of last. A read is in one passage at most; a passage that its reads
 * have left is forgotten.
 */
import type { Passage } from "./records.ts";

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

  #forget(id: number): number[] {
    const reads = (this.#passages.get(id)?.reads ?? []).map((read) => read.id);
    // A read that has gone on to another passage belongs to that one.
    for (const read of reads) if (this.#ofRead.get(read) === id) this.#ofRead.delete(read);
    this.#passages.delete(id);
    return reads;
  }
}
