import assert from "node:assert/strict";
import { test } from "node:test";
import { align, describeColumn, plateCharacters, summarize } from "../../../collector/console/src/alignment.ts";

type Slots = [string, number][][];

const shape = (text: string, listed: string): string[] =>
  align(text, [], listed).map(({ read, listed: other, agreement }) => `${read ?? "."}${other ?? "."} ${agreement}`);

test("equal plates agree in every column", () => {
  assert.deepEqual(shape("AB1", "AB1"), ["AA same", "BB same", "11 same"]);
});

test("0/O and 1/I are folded, both ways, and nothing else is", () => {
  assert.deepEqual(shape("0I8", "O1B"), ["0O folded", "I1 folded", "8B different"]);
});

test("a character too many or too few shifts nothing else", () => {
  assert.deepEqual(shape("ABX123", "AB123"), ["AA same", "BB same", "X. unlisted", "11 same", "22 same", "33 same"]);
  assert.deepEqual(shape("B123", "AB123"), [".A unread", "BB same", "11 same", "22 same", "33 same"]);
});

test("one wrong character is a substitution, not one missing and one too many", () => {
  assert.deepEqual(shape("A8C", "ABC"), ["AA same", "8B different", "CC same"]);
});

test("whatever is aligned, both plates can be read back from the columns", () => {
  const plates = ["", "A", "ABC123", "0OI1", "123ABC", "XABC12", "AAAAAAAAAA"];
  for (const read of plates) {
    for (const listed of plates) {
      const columns = align(read, [], listed);
      assert.equal(columns.map((column) => column.read ?? "").join(""), read);
      assert.equal(columns.map((column) => column.listed ?? "").join(""), listed);
    }
  }
});

test("case, spaces and hyphens of a listed plate do not count", () => {
  assert.deepEqual(plateCharacters("ab-1 2.c"), ["A", "B", "1", "2", "C"]);
  assert.deepEqual(shape("AB1", "ab-1"), ["AA same", "BB same", "11 same"]);
});

test("each character has its own probability, padding left out", () => {
  const slots: Slots = [[["A", 0.9], ["4", 0.1]], [["B", 0.7], ["8", 0.3]], [["_", 0.99]]];
  assert.deepEqual(align("AB", slots, "A8").map((column) => column.probability), [0.9, 0.7]);
});

test("slots that do not fit the text give no probabilities rather than wrong ones", () => {
  assert.deepEqual(align("AB", [[["A", 0.9]]], "AB").map((column) => column.probability), [null, null]);
});

test("a column says what was read, how surely, what else it may be, and what is listed", () => {
  const [column] = align("0", [[["0", 0.58], ["O", 0.41], ["_", 0.002]]], "O");
  assert.ok(column);
  assert.equal(
    describeColumn(column, 1),
    "Position 1: read 0 with 58 %; else O 41 %, nothing under 1 %. Listed O: the same when folded",
  );
});

test("certainty is never rounded up to a hundred per cent", () => {
  const [column] = align("A", [[["A", 0.99999]]], "A");
  assert.ok(column);
  assert.match(describeColumn(column, 1), /over 99\.9 %/);
});

test("the summary counts what agrees and what was read with low probability", () => {
  const slots: Slots = [[["0", 0.58]], [["R", 0.99]], [["Z", 0.99]]];
  assert.equal(summarize(align("0RZ", slots, "ORZ")), "2 of 3 characters as listed, 1 folded; 1 read with less than 80 %");
  assert.equal(summarize(align("AB", [], "AB")), "All 2 characters as listed");
});
