import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMIT, PassageBook } from "../../../collector/console/src/passage-book.ts";
import type { Passage, PlateRead } from "../../../collector/console/src/records.ts";

// The book looks at nothing but the ids.
const passage = (id: number, ...reads: number[]): Passage => ({ id, reads: reads.map((read) => ({ id: read })) }) as unknown as Passage;

test("a read is found with the others of its passage", () => {
  const book = new PassageBook();
  assert.deepEqual(book.apply(passage(1, 10, 11)), [10, 11]);
  assert.equal(book.ofRead(11)?.id, 1);
  assert.equal(book.ofRead(12), undefined);
});

test("a read that has left belongs to the passage that it has gone to, in whichever order that is told", () => {
  for (const told of [[passage(1, 10, 12), passage(2, 11, 13)], [passage(2, 11, 13), passage(1, 10, 12)]]) {
    const book = new PassageBook();
    book.apply(passage(1, 10, 11, 12));
    for (const one of told) book.apply(one);
    assert.deepEqual([10, 11, 12, 13].map((read) => book.ofRead(read)?.id), [1, 2, 1, 2]);
  }
});

test("a passage without reads is forgotten, and its reads are shown anew", () => {
  const book = new PassageBook();
  book.apply(passage(1, 10, 11));
  assert.deepEqual(book.apply(passage(1)), [10, 11]);
  assert.equal(book.get(1), undefined);
  assert.equal(book.ofRead(10), undefined);
});

test("it is bounded: the passages heard of last stay", () => {
  const book = new PassageBook();
  for (let id = 1; id <= LIMIT; id++) book.apply(passage(id, id));
  book.apply(passage(1, 1));
  book.apply(passage(LIMIT + 1, LIMIT + 1));
  assert.equal(book.get(2), undefined);
  assert.equal(book.ofRead(2), undefined);
  assert.equal(book.ofRead(1)?.id, 1);
});

test("a list does not undo what the stream has told since it was asked for", () => {
  const book = new PassageBook();
  book.apply(passage(1, 10, 11));
  book.apply(passage(2, 20, 21, 22));
  book.apply(passage(4, 40, 41));
  // Asked for before 2 was told to have three reads and 4 to be there.
  assert.deepEqual(book.merge([passage(3, 30, 31), passage(2, 20, 21), passage(1, 10, 12)], new Set([2, 4])), [10, 11, 12, 30, 31]);
  assert.deepEqual([1, 2, 3, 4].map((id) => book.get(id)?.reads.map((read) => read.id)), [
    [10, 12],
    [20, 21, 22],
    [30, 31],
    [40, 41],
  ]);
});

test("a passage that a list should hold and does not is forgotten", () => {
  const book = new PassageBook();
  for (const id of [1, 5, 6]) book.apply(passage(id, 10 * id));
  assert.deepEqual(book.merge([passage(7, 70), passage(4, 40)], new Set([6])), [50, 40, 70]);
  assert.deepEqual([1, 4, 5, 6, 7].map((id) => book.get(id)?.id), [1, 4, undefined, 6, 7]);
  assert.equal(book.ofRead(50), undefined);
});

test("a read's revision is shown in its passage, and an older one is not", () => {
  const read = (revision: number, crop: string): PlateRead => ({ id: 10, revision, crop }) as unknown as PlateRead;
  const book = new PassageBook();
  book.apply({ id: 1, reads: [read(0, "aa"), { id: 11 }] } as unknown as Passage);
  book.revise(read(1, "bb"));
  book.revise(read(0, "aa"));
  book.revise({ id: 12, revision: 0 } as unknown as PlateRead);
  assert.deepEqual(book.get(1)?.reads.map((one) => [one.id, one.crop]), [
    [10, "bb"],
    [11, undefined],
  ]);
});
