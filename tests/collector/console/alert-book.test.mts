import assert from "node:assert/strict";
import { test } from "node:test";
import { ACKNOWLEDGED_LIMIT, AlertBook, NEW_LIMIT, neighbour } from "../../../collector/console/src/alert-book.ts";
import type { Alert, HitAlert, Incident, PlateRead } from "../../../collector/console/src/records.ts";

// The book looks at little but id and state.
const alert = (id: number, state: Alert["state"] = "new"): Alert => ({ id, state }) as Alert;
const ids = (book: AlertBook, pinned: number | null = null): number[] => book.ordered(pinned).map(({ id }) => id);

test("unacknowledged first, each group newest first", () => {
  const book = new AlertBook();
  for (const one of [alert(1), alert(2, "acknowledged"), alert(3), alert(4, "acknowledged")]) book.apply(one);
  assert.deepEqual(ids(book), [3, 1, 4, 2]);
  assert.equal(book.unacknowledged, 2);
});

test("a pinned alert keeps its place when it is acknowledged", () => {
  const book = new AlertBook();
  for (const one of [alert(1), alert(2), alert(3)]) book.apply(one);
  book.apply(alert(2, "acknowledged"));
  assert.deepEqual(ids(book, 2), [3, 2, 1]);
  assert.deepEqual(ids(book, null), [3, 1, 2]);
});

test("an alert that is told twice is known the second time", () => {
  const book = new AlertBook();
  assert.equal(book.apply(alert(1)), true);
  assert.equal(book.apply(alert(1)), false);
  assert.deepEqual(ids(book), [1]);
});

test("the older answer of a list request does not undo what the stream said since", () => {
  const book = new AlertBook();
  book.apply(alert(1));
  const begun = book.beginList();
  book.apply(alert(1, "acknowledged"));
  book.apply(alert(2));
  assert.deepEqual(book.merge([alert(1)], begun, true, null), { unknown: [], doubtful: [] });
  assert.equal(book.get(1)?.state, "acknowledged");
  assert.deepEqual(ids(book), [2, 1]);
});

test("a list says which alerts were missed, and which were settled while nobody told us", () => {
  const book = new AlertBook();
  book.apply(alert(1));
  book.apply(alert(2));
  assert.deepEqual(book.merge([alert(3), alert(2)], book.beginList(), true, null), { unknown: [3], doubtful: [1] });
});

test("an incomplete list casts no doubt on alerts older than its last", () => {
  const book = new AlertBook();
  for (const id of [1, 5, 6]) book.apply(alert(id));
  assert.deepEqual(book.merge([alert(6), alert(4)], book.beginList(), false, null).doubtful, [5]);
  assert.equal(book.truncated, true);
});

test("memory is bounded: the oldest go, the kept one stays, and the book says so", () => {
  const book = new AlertBook();
  book.apply(alert(1));
  for (let id = 2; id <= NEW_LIMIT + 50; id++) book.apply(alert(id), 1);
  assert.equal(book.unacknowledged, NEW_LIMIT);
  assert.equal(book.truncated, true);
  assert.ok(book.get(1));
  assert.equal(book.get(2), undefined);
  for (let id = 1_000; id < 1_000 + ACKNOWLEDGED_LIMIT * 2; id++) book.apply(alert(id, "acknowledged"));
  assert.equal(ids(book).length, NEW_LIMIT + ACKNOWLEDGED_LIMIT);
});

test("moving stops at both ends, and begins at the first", () => {
  assert.equal(neighbour([], null, 1), null);
  assert.equal(neighbour([3, 2, 1], null, 1), 3);
  assert.equal(neighbour([3, 2, 1], 3, 1), 2);
  assert.equal(neighbour([3, 2, 1], 1, 1), 1);
  assert.equal(neighbour([3, 2, 1], 3, -1), 3);
});

test("an alert shows its read's revision, which is newer than a list that was asked for before", () => {
  const read = (revision: number): PlateRead => ({ id: 7, revision }) as PlateRead;
  const book = new AlertBook();
  const hit = (id: number, of: PlateRead): Alert => ({ ...alert(id), kind: "hit", read: of }) as HitAlert;
  book.apply(hit(1, read(0)));
  book.apply(hit(2, { id: 8, revision: 0 } as PlateRead));
  const begun = book.beginList();
  book.revise(read(1));
  book.revise(read(0));
  book.merge([hit(1, read(0))], begun, false, null);
  assert.deepEqual([1, 2].map((id) => (book.get(id) as HitAlert).read.revision), [1, 0]);
});

test("an alert shows its incident as it was told last, and is found by it", () => {
  const shot = (id: number, incident: Incident): Alert => ({ ...alert(id), kind: "shot", incident }) as Alert;
  const incident = (revision: number): Incident => ({ id: 7, revision }) as Incident;
  const book = new AlertBook();
  book.apply(alert(1));
  book.apply(shot(2, incident(1)));
  const begun = book.beginList();
  book.retell(incident(2));
  book.retell(incident(1));
  book.merge([shot(2, incident(1))], begun, false, null);
  const found = book.ofIncident(7);
  assert.ok(found?.kind === "shot");
  assert.equal(found.incident.revision, 2);
  assert.equal(book.ofIncident(8), undefined);
});
