import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, latency, percent, utcStamp } from "../../../collector/console/src/times.ts";

test("durations are short, and never negative", () => {
  const shown = [-5_000, 8_400, 61_000, 3_900_000, 190_000_000].map(duration);
  assert.deepEqual(shown, ["0 s", "8 s", "1 min", "1 h 05 min", "2 d 4 h"]);
});

test("a latency keeps its milliseconds while they matter", () => {
  assert.deepEqual([12.4, 640, 2_449, 2_400_000].map(latency), ["12 ms", "640 ms", "2.4 s", "40 min"]);
});

test("a percentage is never rounded up to certainty", () => {
  assert.deepEqual([0.58, 0.9999, 1].map(percent), ["58 %", "99.9 %", "100 %"]);
});

test("the collector's microseconds are cut to milliseconds, and what is no time is shown as it came", () => {
  assert.equal(utcStamp("2026-11-21T10:41:47.123456Z"), "2026-11-21 10:41:47.123 UTC");
  assert.equal(utcStamp("soon"), "soon");
});
