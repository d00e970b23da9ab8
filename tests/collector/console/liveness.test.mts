import assert from "node:assert/strict";
import { test } from "node:test";
import { type Instant, STALE_AFTER_MS, age_ms, liveness } from "../../../collector/console/src/liveness.ts";

const instant = (wall_ms: number, monotonic_ms = wall_ms): Instant => ({ wall_ms, monotonic_ms });

test("nothing heard yet is neither live nor stale", () => {
  assert.deepEqual(liveness(null, true, instant(99_999)), { state: "connecting" });
});

test("live while open and heard within the limit", () => {
  assert.deepEqual(liveness(instant(1_000), true, instant(6_000)), { state: "live", age_ms: 5_000 });
  assert.equal(liveness(instant(0), true, instant(STALE_AFTER_MS - 1)).state, "live");
});

test("an open stream from which nothing comes is stale since it was last heard", () => {
  const expected = { state: "stale", age_ms: STALE_AFTER_MS, since_wall_ms: 5_000 };
  assert.deepEqual(liveness(instant(5_000), true, instant(5_000 + STALE_AFTER_MS)), expected);
});

test("a broken stream is reconnecting at once, and stale after the limit", () => {
  assert.equal(liveness(instant(0), false, instant(1)).state, "reconnecting");
  assert.equal(liveness(instant(0), false, instant(STALE_AFTER_MS)).state, "stale");
});

test("a monotonic clock that stopped in sleep does not keep it live", () => {
  assert.equal(liveness(instant(0, 0), true, instant(3_600_000, 10)).state, "stale");
});

test("a wall clock set back does not keep it live", () => {
  assert.equal(liveness(instant(10_000_000, 0), true, instant(0, STALE_AFTER_MS)).state, "stale");
  assert.equal(age_ms(instant(10_000, 0), instant(0, 0)), 0);
});
