import assert from "node:assert/strict";
import { test } from "node:test";
import { IncidentBook, LIMIT } from "../../../collector/console/src/incident-book.ts";
import { levelsOf } from "../../../collector/console/src/levels.ts";
import type { Incident, Sensor, ShotArrival } from "../../../collector/console/src/records.ts";
import * as words from "../../../collector/console/src/shot-wording.ts";
import { stations } from "../../../collector/console/src/stations.ts";

const AT = "2026-11-21T20:01:01.000000Z";
const at_ms = Date.parse(AT);
const sensor = (changes: Partial<Sensor> = {}): Sensor => ({
  device: "ear-1", microphone: "mast", place: { latitude: 40.7, longitude: -74 }, used: true, why: null, residual_ms: 1, clip: null, clip_here: false, distance_m: 48, ...changes,
});
const ellipse = { semi_major_m: 9.1, semi_minor_m: 4.2, azimuth_deg: 31 };
const location = { latitude: 40.7001, longitude: -74.0002, error_m: 9.1, ellipse50: ellipse, ellipse95: ellipse };
const incident = (changes: Partial<Incident> = {}): Incident => ({
  id: 7, stage: "located", revision: 1, at: AT, rounds: 3, fire: "burst", probability: 0.97, probability_why: [], confidence: "high", location, twin: null,
  region: { kind: "ellipse", outline: [] }, sensors: Array.from({ length: 6 }, () => sensor()), silent: [], verdict: null, verdict_due_at: "2026-11-21T20:02:01Z", reads: [],
  alert: 12, alert_from: 0.5, historical: false, merged_into: null, ...changes,
});

test("how sure a location is stands in words", () => {
  assert.equal(words.confidenceText(incident()), "high confidence: six sensors");
  assert.equal(words.confidenceText(incident({ confidence: "low", sensors: [sensor(), sensor(), sensor(), sensor({ used: false })] })), "low confidence: three sensors");
  const band = incident({ location: null, confidence: "low", region: { kind: "band", outline: [] } });
  assert.equal(words.errorText(band), "somewhere in the band");
  assert.deepEqual(words.incidentCautions(band, false, at_ms), ["No location: two sites heard it in time: that gives a band and no point"]);
  assert.equal(words.errorText(incident()), "within 9.1 m (95 %)");
});

test("what stands against acting on an incident is said first", () => {
  assert.deepEqual(words.incidentCautions(incident(), false, at_ms), []);
  assert.deepEqual(words.incidentCautions(incident({ probability: 0.3 }), true, at_ms), ["No longer supported: gunfire with 30 % now, alerts are from 50 %"]);
  assert.deepEqual(words.incidentCautions(incident({ historical: true }), false, at_ms + 3_600_000), ["Historical: heard 1 h 00 min ago and told late"]);
  assert.deepEqual(words.incidentCautions(incident({ merged_into: 9, rounds: 0, location: null, confidence: null }), true, at_ms), [
    "Merged: its shots turned out to belong to incident 9",
  ]);
  const twin = { latitude: 40.7, longitude: -74 };
  assert.deepEqual(words.incidentCautions(incident({ twin }), false, at_ms), ["Two places fit: the other one is 40.70000, -74.00000"]);
});

test("the verdict has a minute, then it is overdue; where nobody was called there is no target", () => {
  assert.deepEqual(words.dueText(incident(), at_ms + 17_200), { text: "43 s left", state: "open" });
  assert.deepEqual(words.dueText(incident(), at_ms + 60_000), { text: "overdue by 0 s", state: "overdue" });
  assert.deepEqual(words.dueText(incident(), at_ms + 200_000), { text: "overdue by 2 min", state: "overdue" });
  const judged = { verdict: "gunshot", what: null, by: "ada", at: AT, after_s: 5 };
  for (const none of [{ alert: null }, { historical: true }, { merged_into: 9 }, { verdict: judged }]) assert.equal(words.dueText(incident(none), at_ms).state, "none");
});

test("a verdict says what it was, also in a word of tomorrow", () => {
  assert.equal(words.verdictText({ verdict: "other", what: "nail gun" }), "Other: nail gun");
  assert.equal(words.verdictText({ verdict: "gunshot", what: null }), "Gunshot");
  assert.equal(words.verdictText({ verdict: "thunder", what: null }), "thunder");
});

test("a revision says what it changed, and nothing that nobody would act on", () => {
  assert.deepEqual(words.changes(incident(), incident({ revision: 2 }), { east_m: 0.3, north_m: 0.4 }), []);
  const after = incident({ revision: 2, rounds: 4, probability: 0.91, confidence: "medium", sensors: [sensor(), sensor()] });
  assert.deepEqual(words.changes(incident(), after, { east_m: 9, north_m: 9 }), [
    "4 rounds, was 3",
    "moved 13 m north-east",
    "medium confidence, was high",
    "gunfire 91 %, was 97 %",
    "two sensors used, was 6",
  ]);
  assert.deepEqual(words.changes(incident({ location: null, confidence: null }), incident(), null), ["located now", "high confidence"]);
});

test("directions go clockwise from north", () => {
  const points = [[0, 1], [1, 1], [1, 0], [1, -1], [0, -1], [-1, -1], [-1, 0], [-1, 1], [-0.01, 1]] as const;
  const said = points.map(([east, north]) => words.bearing(east, north));
  assert.deepEqual(said, ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west", "north"]);
});

test("lengths have as many figures as they deserve", () => {
  assert.deepEqual([4.23, 9.96, 48.4, 999.4, 1240].map(words.metres), ["4.2 m", "10 m", "48 m", "999 m", "1.2 km"]);
});

test("one sensor's shot says what limits it", () => {
  const shot = { round: 2, rounds: 3, timing: "classification only", marks: ["wind"], incident: 7 } as unknown as ShotArrival;
  assert.equal(words.arrivalText(shot), "round 2 of 3 · classification only · wind · incident 7");
  assert.equal(words.arrivalText({ ...shot, round: null, timing: "location", marks: [], incident: null }), "");
});

test("why nobody was called", () => {
  assert.equal(words.notAlertedText(incident({ alert: null, probability: 0.31 })), "below 50 %");
  assert.equal(words.notAlertedText(incident({ alert: null, historical: true })), "told too late to alert");
});

test("everybody who listened has one number", () => {
  const silent = [{ device: "ear-5", place: { latitude: 40.7001, longitude: -74.0037 }, expected: 0.8 }];
  const all = stations(incident({ sensors: [sensor(), sensor({ device: "ear-4", used: false, why: "4.1 ms late" })], silent }));
  assert.deepEqual(all.map((one) => [one.number, one.hearing, one.words]), [
    [1, "used", "used for the location"],
    [2, "rejected", "rejected: 4.1 ms late"],
    [3, "silent", "listened and heard nothing; expected to hear it with 80 %"],
  ]);
  assert.equal(Math.round(all[2]?.distance_m ?? 0), 296);
});

test("a clip's strip shows each part by its loudest sample", () => {
  const { duration_s, loudest } = levelsOf(Float32Array.from([0, 0, 1, -0.1, 0.01, 0, 0.0001, 0]), 4, 4);
  assert.equal(duration_s, 2);
  assert.deepEqual(loudest.map((level) => Number(level.toFixed(3))), [0, 1, 0.333, 0]);
});

test("of the incidents the later revision stays, and those that raised an alert are not among the quiet ones", () => {
  const book = new IncidentBook();
  const quiet = (id: number, changes: Partial<Incident> = {}): Incident => incident({ id, alert: null, ...changes });
  assert.equal(book.apply(quiet(1, { revision: 2 })), true);
  assert.equal(book.apply(quiet(1)), false);
  assert.equal(book.get(1)?.revision, 2);
  book.merge([quiet(1, { revision: 3 }), quiet(2)], new Set([1]), null);
  assert.equal(book.get(1)?.revision, 2);
  book.apply(incident({ id: 3 }));
  book.apply(quiet(4, { merged_into: 1 }));
  book.apply(quiet(5, { at: "2026-11-21T19:00:00Z" }));
  assert.deepEqual(book.notAlerted().map(({ id }) => id), [2, 1, 5]);
  for (let id = 10; id < 10 + LIMIT; id++) book.apply(quiet(id), 1);
  assert.equal(book.full, true);
  assert.ok(book.get(1));
  assert.equal(book.get(2), undefined);
});
