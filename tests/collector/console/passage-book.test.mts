import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMIT, PassageBook } from "../../../collector/console/src/passage-book.ts";
import type { Passage } from "../../../collector/console/src/records.ts";

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
