import assert from "node:assert/strict";
import { test } from "node:test";
import type { Alert, Device, Passage, PlateRead, Source } from "../../../collector/console/src/records.ts";
import { camerasText, compareRegions, deviceTrouble, offsetText, skippedTexts, vehicleText } from "../../../collector/console/src/wording.ts";

const read = (changes: Partial<PlateRead>): PlateRead => ({ region: null, regions: [], marks: [], vehicle: null, ...changes }) as unknown as PlateRead;
const regionOf = (changes: Partial<PlateRead>): string =>
  compareRegions({ read: read(changes), entry: { region: "US-TX" } } as unknown as Alert).text;

test("in infrared no region is no oversight", () => {
  assert.equal(regionOf({ marks: ["infrared"] }), "not read in infrared; listed US-TX");
  assert.equal(regionOf({}), "not read; listed US-TX");
  assert.equal(regionOf({ marks: ["infrared"], region: "US-TX", regions: [["US-TX", 0.9]] }), "read US-TX 90 %; as listed");
});

test("pains-06: only a state that is sure enough differs from the listed one", () => {
  const regions: PlateRead["regions"] = [["US-OK", 0.5], ["US-TX", 0.4]];
  assert.equal(regionOf({ region: "US", regions }), "read US-OK 50 %, not sure; listed US-TX");
  assert.equal(regionOf({ region: null, regions }), "read US-OK 50 %, not sure; listed US-TX");
  assert.equal(regionOf({ region: "US-OK", regions: [["US-OK", 0.9]] }), "read US-OK 90 %; DIFFERS from listed US-TX");
});

test("an overview says how far it is from the read", () => {
  assert.equal(offsetText(-40), "40 ms before the picture of the plate");
  assert.equal(offsetText(1_500), "1.5 s after the picture of the plate");
  assert.equal(offsetText(0), "at the same time as the picture of the plate");
});

test("of a vehicle is said what is known", () => {
  assert.equal(vehicleText(read({ vehicle: { body: "pickup", colour: "white", make: "ford" } })), "white pickup, ford");
  assert.equal(vehicleText(read({ vehicle: { body: null, colour: "red", make: null } })), "red");
  assert.equal(vehicleText(read({})), "");
});

test("cameras are counted, and one that saw it twice is one", () => {
  const passage = (cameras: number, reads: number): Passage => ({ cameras, reads: Array(reads).fill({}) }) as unknown as Passage;
  assert.equal(camerasText(passage(3, 4)), "Seen by 3 cameras");
  assert.equal(camerasText(passage(1, 2)), "Seen 2 times by one camera");
});

test("a device's trouble names each source and why; frames that were skipped are said and are none", () => {
  const source = (changes: Partial<Source>): Source => ({ id: "north", kind: "camera", state: "ok", reason: "", rate_hz: 25, skipped: 0, inference_ms: null, ...changes });
  const device = (...sources: Source[]): Device => ({ link: "online", last_word: null, report: null, sources }) as unknown as Device;
  const troubled = device(source({ state: "doubtful", reason: "black for 60 s", skipped: 12 }), source({ id: "mast", state: "failed" }));
  assert.deepEqual(deviceTrouble(troubled), ["north doubtful: black for 60 s", "mast failed"]);
  assert.deepEqual(skippedTexts(troubled), ["north skipped 12 frames"]);
  assert.deepEqual(deviceTrouble(device(source({ skipped: 1 }))), []);
  assert.deepEqual(skippedTexts(device(source({ skipped: 1 }), source({}))), ["north skipped 1 frame"]);
});
