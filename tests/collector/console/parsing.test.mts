import assert from "node:assert/strict";
import { test } from "node:test";
import { Unreadable, alertOf, incidentOf, verdictsOf } from "../../../collector/console/src/parsing.ts";
import { happenedAt } from "../../../collector/console/src/records.ts";

const AT = "2026-11-21T20:01:01.000045Z";
const ellipse = { semi_major_m: 9.1, semi_minor_m: 4.2, azimuth_deg: 31 };
const sensor = {
  device: "ear-1", microphone: "mast", latitude: 40.7005, longitude: -74, used: true, why: null, residual_ms: 1.2, arrivals: [41], clip: "ab", clip_here: true,
  recording: null, recording_here: false, distance_m: 48.3,
};
const incident = {
  id: 7, stage: "located", revision: 2, agency: "springfield", at: AT, rounds: 3, fire: "burst", probability: 0.97, probability_why: ["ear-1/mast 0.98."],
  confidence: "high", location: { latitude: 40.7001, longitude: -74.0002, error_m: 9.1, ellipse50: ellipse, ellipse95: ellipse }, twin: null,
  region: { kind: "ellipse", outline: [[40.70018, -74.0002], [40.7001, -74.0001]] }, sensors: [sensor, { ...sensor, latitude: null, longitude: null }],
  silent: [{ device: "ear-5", latitude: 40.703, longitude: -74.002, expected: 0.8 }], verdict: null, verdict_due_at: AT, reads: [], alert: 12, alert_from: 0.5,
  historical: false, merged_into: null,
};
const base = {
  id: 12, state: "new", support: "raised", raised_at: AT, latency_ms: 2412.3, why: ["6 sensors heard 3 rounds."], historical: false, acknowledged_by: null,
  acknowledged_at: null,
};
const shot = { ...base, kind: "shot", rule: null, entry: null, read: null, incident };
const read = { id: 1, revision: 1, confidence: 0.9, latency_ms: 380, text: "ABC123", device: "d", camera: "c", captured_at: AT, slots: [], regions: [], marks: [] };
const hit = { ...base, kind: "hit", rule: "exact", entry: { plate: "ABC123", list: "stolen" }, read, incident: null };

test("an alert is of the kind that it says", () => {
  const parsed = alertOf(shot);
  assert.ok(parsed.kind === "shot");
  assert.deepEqual(parsed.incident.sensors.map((one) => one.place), [{ latitude: 40.7005, longitude: -74 }, null]);
  assert.deepEqual(parsed.incident.region?.outline[1], { latitude: 40.7001, longitude: -74.0001 });
  assert.equal(happenedAt(parsed), AT);
  const { kind: _, ...older } = hit;
  for (const one of [hit, older]) {
    const parsedHit = alertOf(one);
    assert.ok(parsedHit.kind === "hit");
    assert.equal(parsedHit.read.text, "ABC123");
  }
});

test("an alert of a kind not known is shown plainly, and so is one that cannot be read", () => {
  const drone = alertOf({ ...base, kind: "drone", drone: {} });
  assert.deepEqual([drone.kind, drone.kind === "unknown" && drone.named, drone.why[0]], ["unknown", "drone", "6 sensors heard 3 rounds."]);
  const broken = alertOf({ ...shot, incident: { ...incident, sensors: [{ ...sensor, used: "yes" }] } });
  assert.ok(broken.kind === "unknown");
  assert.equal(broken.problem, 'alert.incident.sensors[0].used: got "yes", expected true or false');
});

test("words that are new are no reason to refuse an incident; wrong types are", () => {
  const later = incidentOf({ ...incident, stage: "certified", confidence: "very high", fire: "volley", region: { kind: "sphere", outline: [] }, added: 1 });
  assert.deepEqual([later.stage, later.confidence, later.fire, later.region?.kind], ["certified", "very high", "volley", "sphere"]);
  const refused: [object, RegExp][] = [
    [{ rounds: "3" }, /incident\.rounds: got "3", expected a number/],
    [{ location: { latitude: 1 } }, /incident\.location\.longitude: got nothing, expected a number/],
    [{ region: { kind: "band", outline: [[1]] } }, /incident\.region\.outline\[0\]: got \[1\], expected latitude and longitude/],
    [{ sensors: null }, /incident\.sensors: got null, expected a list/],
    [{ historical: 0 }, /incident\.historical: got 0, expected true or false/],
  ];
  for (const [change, said] of refused) assert.throws(() => incidentOf({ ...incident, ...change }), said);
});

test("without a number or a state there is no alert", () => {
  for (const value of [null, [], "alert", { ...base, id: "12" }, { ...base, state: "lost" }]) assert.throws(() => alertOf(value), Unreadable);
});

test("of the revisions those with a verdict are verdicts", () => {
  const revisions = [
    { revision: 1, stage: "raw", at: AT, known: { rounds: 1 } },
    { revision: 2, stage: "reviewed", at: AT, known: { verdict: "other", what: "nail gun", by: "ada" } },
  ];
  assert.deepEqual(verdictsOf(revisions), [{ at: AT, verdict: "other", what: "nail gun", by: "ada" }]);
});

test("a check that cannot be read costs no alert", () => {
  const parsed = alertOf({ ...hit, image_check: { plate: 7 }, record_check: "active", confirmed: false });
  assert.ok(parsed.kind === "hit");
  assert.deepEqual([parsed.image_check, parsed.record_check, parsed.confirmed], [null, null, false]);
});
