import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changeText,
  changeTime,
  clockText,
  dataPlanText,
  lossesText,
  machineText,
  outboxText,
  powerText,
  reportTrouble,
  sizeText,
  sourceLine,
  uplinkText,
} from "../../../collector/console/src/device-wording.ts";
import type { Device, DeviceChange, Power, Report, Source } from "../../../collector/console/src/records.ts";

const well: Report = {
  at: "2026-11-21T10:41:47.123456Z",
  uptime_s: 7_200,
  uplink: { state: "working", unacked_s: null, last_ack_s: 7, metered: false },
  outbox: { pending: 0, oldest_s: 0, bytes: 5_000_000, lost: {} },
  power: { source: "line", charge_percent: 97, input_v: 230.1, battery_v: 13.4, runtime_s: 1_800 },
  data_plan: null,
  temperature_c: 61.5,
  disk_free_bytes: 12_300_000_000,
  clock_source: "kernel",
  clock_error_ms: 1.5,
  version: "0.1.0",
  versions: {},
  models: [],
};
const report = (changes: Partial<Report>): Report => ({ ...well, ...changes });
const power = (changes: Partial<Power>): Power => ({ source: "line", charge_percent: null, input_v: null, battery_v: null, runtime_s: null, ...changes });
const device = (changes: Partial<Device>): Device => ({ link: "online", last_word: null, report: well, sources: [], ...changes }) as unknown as Device;
const change = (changes: Partial<DeviceChange>): DeviceChange => ({
  id: 1,
  subject: "camera",
  ref: "north",
  state: "failed",
  before: "ok",
  reason: "",
  at: "2026-11-21T10:00:00.000000Z",
  received_at: "2026-11-21T10:00:01.000000Z",
  ...changes,
});

test("a size keeps two figures and its unit", () => {
  assert.deepEqual([0, 850, 999_600, 5_000_000, 1_234_567_890].map(sizeText), ["0 bytes", "850 bytes", "1.0 MB", "5.0 MB", "1.2 GB"]);
});

test("power is what an operator asks of it: is it on battery, and for how long", () => {
  assert.equal(powerText(well.power), "line power, 97 % charged, input 230.1 V, battery 13.4 V");
  assert.equal(powerText(power({ source: "battery", charge_percent: 64, runtime_s: 1_800, input_v: 0 })), "on battery, 64 % charged, about 30 min left, input 0.0 V");
  assert.equal(powerText(power({ source: "low-battery" })), "battery low: it is about to go dark");
  assert.equal(powerText(power({ source: "unknown" })), "unknown: its UPS does not answer");
  assert.equal(powerText(power({ source: "fuel-cell" })), "fuel-cell", "what a newer device says is shown as it is");
  assert.equal(powerText(null), "not reported: no UPS is named in its settings");
});

test("pains-20: connected is not shown as working", () => {
  assert.equal(uplinkText(well), "working, last stored here 7 s before the report");
  const unacked = { state: "unacked", unacked_s: 31, last_ack_s: 40, metered: false };
  assert.equal(uplinkText(report({ uplink: unacked })), "connected, but nothing was stored here for 31 s");
  assert.equal(
    uplinkText(report({ uplink: { state: "connected", unacked_s: null, last_ack_s: null, metered: true } })),
    "connected, nothing stored here yet, saves bytes: pictures only on request",
  );
});

test("what waits and what was lost are told apart", () => {
  assert.equal(outboxText(well), "nothing waits, 5.0 MB on its disk");
  assert.equal(outboxText(report({ outbox: { pending: 12, oldest_s: 340, bytes: null, lost: {} } })), "12 waiting, the oldest for 5 min");
  assert.equal(lossesText(well), "none");
  assert.equal(lossesText(report({ outbox: { ...well.outbox, lost: { evicted: 40, refused: 1, corrupt: 0 } } })), "41 lost: 40 evicted, 1 refused");
});

test("a data plan says where it is heading", () => {
  assert.equal(dataPlanText(well), "");
  const plan = { used_bytes: 850_000_000, monthly_bytes: 1_000_000_000, forecast_bytes: 1_400_000_000, alarm: true };
  assert.equal(dataPlanText(report({ data_plan: plan })), "850 MB of 1.0 GB used, 1.4 GB by the end of the month at this rate");
});

test("machine, clock and sources are one line each", () => {
  assert.equal(machineText(well), "62 °C, 12 GB free on its disk, running for 2 h 00 min");
  assert.equal(machineText(report({ temperature_c: null, disk_free_bytes: null, uptime_s: null })), "");
  assert.equal(clockText(well), "synchronised, within 1.5 ms");
  assert.equal(clockText(report({ clock_source: "unsynchronised", clock_error_ms: 16_000 })), "nothing steers it, within 16000 ms");
  assert.equal(clockText(report({ clock_source: null })), "not reported");
  const source: Source = { id: "north", kind: "camera", state: "ok", reason: "", rate_hz: 25, skipped: 12, inference_ms: 18.25 };
  assert.equal(sourceLine(source), "north ok, 25.0 a second, 18 ms a run, skipped 12");
  assert.equal(sourceLine({ ...source, state: "failed", reason: "no route to host", rate_hz: 0, skipped: 0, inference_ms: null }), "north failed: no route to host, 0.0 a second");
});

test("a change says what it was and what it is", () => {
  assert.equal(changeText(change({ reason: "no route to host" })), "camera north: ok → failed: no route to host");
  assert.equal(changeText(change({ subject: "agent", ref: null, state: "started", before: null, reason: "nightjar 0.1.0" })), "agent: started: nightjar 0.1.0");
  assert.match(changeTime(change({})), /^2026-11-21 \d\d:\d\d:\d\d \S+$/);
  assert.match(changeTime(change({ received_at: "2026-11-21T13:00:00.000000Z" })), /, told 3 h 00 min later$/);
});

test("only what needs somebody is trouble", () => {
  assert.deepEqual(reportTrouble(device({})), []);
  assert.deepEqual(reportTrouble(device({ report: null })), []);
  assert.deepEqual(reportTrouble(device({ report: report({ power: null }) })), [], "a device without a UPS is none");
  const ill = report({
    power: power({ source: "battery" }),
    uplink: { state: "unacked", unacked_s: 31, last_ack_s: null, metered: false },
    data_plan: { used_bytes: 1, monthly_bytes: 1, forecast_bytes: 1, alarm: true },
    clock_source: "unsynchronised",
  });
  assert.deepEqual(
    reportTrouble(device({ report: ill })).map((said) => said.split(/[:,]/)[0]),
    ["power", "connected", "data plan", "its clock is not synchronised"],
  );
});

test("a device that is gone is told by its last word, not by what it reported before", () => {
  const gone = { link: "offline", report: report({ power: power({ source: "battery" }) }) };
  assert.deepEqual(reportTrouble(device({ ...gone, last_word: "power lost: shutting down" })), ["last word: power lost: shutting down"]);
  assert.deepEqual(reportTrouble(device(gone)), []);
});
