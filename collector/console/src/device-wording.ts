/** What a device says of itself, in the words of whoever has to decide whether to drive out to it. */
import type { Device, DeviceChange, Power, Report, Source } from "./records.ts";
import { duration, localStamp } from "./times.ts";

const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** "850 bytes", "5.0 MB", "1.2 GB". */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${bytes} ${UNITS[0]}` : `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

const ago = (seconds: number): string => duration(seconds * 1000);
const listed = (...said: readonly (string | null | false)[]): string => said.filter(Boolean).join(", ");

function sourceText(power: Power): string {
  if (power.source === "line") return "line power";
  if (power.source === "battery") return "on battery";
  if (power.source === "low-battery") return "battery low: it is about to go dark";
  return power.source === "unknown" ? "unknown: its UPS does not answer" : power.source;
}

/** "on battery, 64 % charged, about 30 min left, input 0.0 V, battery 12.7 V". */
export function powerText(power: Power | null): string {
  if (power === null) return "not reported: no UPS is named in its settings";
  return listed(
    sourceText(power),
    power.charge_percent !== null && `${power.charge_percent} % charged`,
    power.runtime_s !== null && power.source !== "line" && `about ${ago(power.runtime_s)} left`,
    power.input_v !== null && `input ${power.input_v.toFixed(1)} V`,
    power.battery_v !== null && `battery ${power.battery_v.toFixed(1)} V`,
  );
}

/** Connected is never shown as working. */
export function uplinkText({ uplink }: Report): string {
  const acked = uplink.last_ack_s === null ? "nothing stored here yet" : `last stored here ${ago(uplink.last_ack_s)} before the report`;
  if (uplink.state === "unacked") return `connected, but nothing was stored here for ${ago(uplink.unacked_s ?? 0)}`;
  return listed(uplink.state ?? "not reported", acked, uplink.metered && "saves bytes: pictures only on request");
}

export function outboxText({ outbox }: Report): string {
  const room = outbox.bytes === null ? "" : `${sizeText(outbox.bytes)} on its disk`;
  const waiting = outbox.pending === 0 ? "nothing waits" : `${outbox.pending} waiting, the oldest for ${ago(outbox.oldest_s)}`;
  return listed(waiting, room);
}

export function dataPlanText({ data_plan: plan }: Report): string {
  if (plan === null) return "";
  const used = `${sizeText(plan.used_bytes)} of ${sizeText(plan.monthly_bytes)} used`;
  return `${used}, ${sizeText(plan.forecast_bytes)} by the end of the month at this rate`;
}

/** "41 lost: 40 evicted, 1 refused"; what was lost is named in the ledger. */
export function lossesText({ outbox }: Report): string {
  const lost = Object.entries(outbox.lost).filter(([, rows]) => rows > 0);
  if (lost.length === 0) return "none";
  const total = lost.reduce((sum, [, rows]) => sum + rows, 0);
  return `${total} lost: ${lost.map(([reason, rows]) => `${rows} ${reason}`).join(", ")}`;
}

export function machineText(report: Report): string {
  return listed(
    report.temperature_c !== null && `${report.temperature_c.toFixed(0)} °C`,
    report.disk_free_bytes !== null && `${sizeText(report.disk_free_bytes)} free on its disk`,
    report.uptime_s !== null && `running for ${ago(report.uptime_s)}`,
  );
}

export function clockText(report: Report): string {
  if (report.clock_source === null) return "not reported";
  const within = report.clock_error_ms === null ? "" : `within ${report.clock_error_ms < 100 ? report.clock_error_ms.toFixed(1) : Math.round(report.clock_error_ms)} ms`;
  return listed(report.clock_source === "unsynchronised" ? "nothing steers it" : "synchronised", within);
}

/** "north: ok, 25.0 a second, 18 ms a run, skipped 12". */
export function sourceLine(source: Source): string {
  const state = source.reason === "" ? source.state : `${source.state}: ${source.reason}`;
  const run = source.inference_ms === null ? "" : `${source.inference_ms.toFixed(source.inference_ms < 10 ? 1 : 0)} ms a run`;
  return `${source.id} ${listed(state, `${source.rate_hz.toFixed(1)} a second`, run, source.skipped > 0 && `skipped ${source.skipped}`)}`;
}

/** "camera north: ok → failed: no route to host". */
export function changeText(change: DeviceChange): string {
  const what = change.ref === null ? change.subject : `${change.subject} ${change.ref}`;
  const states = change.before === null ? change.state : `${change.before} → ${change.state}`;
  return `${what}: ${states}${change.reason === "" ? "" : `: ${change.reason}`}`;
}

/** When it changed by the device's clock, and when that was told, if that was much later. */
export function changeTime(change: DeviceChange): string {
  const late_ms = Date.parse(change.received_at) - Date.parse(change.at);
  return late_ms < 60_000 ? localStamp(change.at) : `${localStamp(change.at)}, told ${duration(late_ms)} later`;
}

/** What of its report keeps a device that is connected from being relied on, worst first; empty if nothing does. */
export function reportTrouble(device: Device): string[] {
  if (device.link !== "online") return device.last_word === null ? [] : [`last word: ${device.last_word}`];
  const { report } = device;
  if (report === null) return [];
  const said: string[] = [];
  if (report.power !== null && report.power.source !== "line") said.push(`power: ${powerText(report.power)}`);
  if (report.uplink.state === "unacked") said.push(uplinkText(report));
  if (report.data_plan?.alarm) said.push(`data plan: ${dataPlanText(report)}`);
  if (report.clock_source === "unsynchronised") said.push("its clock is not synchronised");
  return said;
}
