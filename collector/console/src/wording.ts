/** What an alert says, in the words the page uses for it. */
import { type Alert, type Device, type Disposition, type HitAlert, type HotlistEntry, type Passage, type PlateRead, type UnknownAlert, happenedAt } from "./records.ts";
import { reportTrouble } from "./device-wording.ts";
import { incidentCautions, raisedText, roundsText, spokenShotText } from "./shot-wording.ts";
import { duration, latency, localTime, percent } from "./times.ts";

export const reasonText = (entry: HotlistEntry): string => entry.reason || "No reason given in the list";

export const severityText = (entry: HotlistEntry): string => (entry.severity === null ? "" : String(entry.severity));

export const listText = (entry: HotlistEntry): string => `${entry.list}, version ${entry.version}`;

/** What let the hit through, and how likely the plate is the entry. */
export function ruleText(alert: HitAlert): string {
  const rule = alert.rule === "folded" ? "folded 0/O 1/I" : alert.rule;
  return alert.probability === null ? rule : `${rule}, ${probabilityOfHit(alert)}`;
}

/** "97 %": P(this plate is that entry); empty where the collector does not say. */
export function probabilityOfHit(alert: HitAlert): string {
  if (alert.probability === null) return "";
  return `${percent(alert.probability)}${alert.calibrated ? "" : ", not calibrated"}`;
}

const DISPOSITIONS: Readonly<Record<Disposition, string>> = {
  confirmed: "confirmed",
  misread: "misread",
  "wrong-state": "wrong state",
  "stale-entry": "stale entry",
  "no-action": "no action",
};

/** The dispositions that an alert of this kind can be closed with; a shot incident has its verdict beside them. */
export function dispositionsFor(alert: Alert): readonly (readonly [word: Disposition, label: string])[] {
  const all = Object.entries(DISPOSITIONS) as [Disposition, string][];
  return alert.kind === "hit" ? all : all.filter(([word]) => word === "confirmed" || word === "no-action");
}

export const dispositionText = (word: string): string => (DISPOSITIONS as Readonly<Record<string, string>>)[word] ?? word;

const said = (word: string, words: Readonly<Record<string, string>>): string => words[word] ?? word;
const byWhom = (one: { readonly by: string; readonly at: string }): string => `${one.by}, ${localTime(Date.parse(one.at))}`;

const SEEN = { match: "matches", mismatch: "DOES NOT MATCH", "cannot-tell": "cannot be told" };
const RECORDS = { active: "active", cleared: "CLEARED by its source", "not-found": "NOT FOUND by its source", "not-run": "not run" };
const OUTCOMES = { "no-contact": "no contact", stopped: "stopped", recovered: "recovered", arrest: "arrest", released: "released" };

/** What a person sees in the picture, a line each, and who says so. */
export function imageCheckTexts(alert: Alert): string[] {
  const check = alert.image_check;
  if (check === null) return ["nobody has compared the picture"];
  const seen = (["plate", "state", "vehicle"] as const).map((what) => `${what} ${said(check[what], SEEN)}`);
  // What speaks against it comes first.
  return [...seen.sort((a, b) => Number(b.endsWith(SEEN.mismatch)) - Number(a.endsWith(SEEN.mismatch))), byWhom(check)];
}

/** What the entry's source said when it was asked again. */
export function recordCheckText(alert: Alert): string {
  const check = alert.record_check;
  if (check === null) return "nobody has asked its source";
  return alert.confirmed ? byWhom(check) : `${said(check.status, RECORDS)} (${byWhom(check)})`;
}

/** By when somebody has to ask; empty while no timer runs. */
export const confirmByText = (alert: Alert): string => (alert.confirm_by === null ? "" : `to be confirmed by ${localTime(Date.parse(alert.confirm_by))}`);

/** What happened in the field. */
export function outcomeText(alert: Alert): string {
  const told = alert.field_outcome;
  return told === null ? "nothing told" : `${said(told.outcome, OUTCOMES)} (${byWhom(told)})`;
}

/** "2 further reads there; also at 9th, 11th": what else belongs to the alert; empty if nothing does. */
export function furtherText(alert: Alert): string {
  const elsewhere = [...new Set(alert.sites.slice(1))];
  const reads = alert.suppressed === 1 ? "1 further read" : `${alert.suppressed} further reads`;
  return [alert.suppressed > 0 ? `${reads} at a site` : "", elsewhere.length > 0 ? `seen again at ${elsewhere.join(", ")}` : ""].filter(Boolean).join("; ");
}

/** The camera and its place, as far as they are known. */
export function placeText(read: PlateRead): string {
  const lane = read.lane === null ? "" : `lane ${read.lane}`;
  const face = read.face === null ? "" : `${read.face} plate`;
  return [`camera ${read.camera} (${read.role})`, lane, read.direction, face, read.travel].filter(Boolean).join(", ");
}

/** What made the plate hard to read; empty if nothing did. */
export const marksText = (read: PlateRead): string => read.marks.join(", ");

/** "white pickup, ford"; empty while nothing is known of it. */
export function vehicleText(read: PlateRead): string {
  if (read.vehicle === null) return "";
  const { body, colour, make } = read.vehicle;
  return [[colour, body].filter(Boolean).join(" "), make].filter(Boolean).join(", ");
}

/** Where there is no region: in infrared the colours that tell it are gone, and the device does not guess. */
export const noRegionText = (read: PlateRead): string =>
  read.marks.includes("infrared") ? "region not read in infrared" : "region not read";

/** "40 ms before the picture of the plate": how far the overview is from the read. */
export function offsetText(offset_ms: number): string {
  if (Math.abs(offset_ms) < 0.5) return "at the same time as the picture of the plate";
  return `${latency(Math.abs(offset_ms))} ${offset_ms < 0 ? "before" : "after"} the picture of the plate`;
}

export const camerasText = (passage: Passage): string =>
  passage.cameras === 1 ? `Seen ${passage.reads.length} times by one camera` : `Seen by ${passage.cameras} cameras`;

/** "Same vehicle as alert 12, 9"; empty where there is no such alert. */
export const sameVehicleText = (alerts: readonly number[]): string =>
  alerts.length === 0 ? "" : `Same vehicle as alert ${alerts.join(", ")}`;

/** What keeps a device, its cameras and its microphones from being relied on; empty if nothing does. */
export function deviceTrouble(device: Device): string[] {
  const said: string[] = [];
  for (const source of device.sources) {
    const why = source.reason === "" ? "" : `: ${source.reason}`;
    if (source.state !== "ok" && source.state !== "ended") said.push(`${source.id} ${source.state}${why}`);
  }
  return [...reportTrouble(device), ...said];
}

/** Frames passed over since the start. No trouble by itself: a device whose processor is shared by cameras skips some. */
export const skippedTexts = (device: Device): string[] =>
  device.sources
    .filter((source) => source.skipped > 0)
    .map((source) => `${source.id} skipped ${source.skipped} ${source.skipped === 1 ? "frame" : "frames"}`);

export interface RegionComparison {
  readonly text: string;
  /** What else the region may be; empty if nothing likely. */
  readonly also: string;
  readonly agreement: "same" | "different" | "unknown";
}

/** The region read against the region listed. */
export function compareRegions(alert: HitAlert): RegionComparison {
  const [best, second] = alert.read.regions;
  const also = second !== undefined && second[1] >= 0.05 ? `or ${second[0]} ${percent(second[1])}` : "";
  const read = best === undefined ? noRegionText(alert.read).replace("region ", "") : `read ${best[0]} ${percent(best[1])}`;
  const listed = alert.entry.region;
  if (listed === null) return { text: `${read}; the list names none`, also, agreement: "unknown" };
  if (best === undefined) return { text: `${read}; listed ${listed}`, also, agreement: "unknown" };
  const named = alert.read.region;
  if (named === listed || named?.startsWith(`${listed}-`)) return { text: `${read}; as listed`, also, agreement: "same" };
  // A doubtful state is no news to anybody; a country alone speaks only against other countries.
  if (named === null || listed.startsWith(`${named}-`)) {
    return { text: `${read}, not sure; listed ${listed}`, also, agreement: "unknown" };
  }
  return { text: `${read}; DIFFERS from listed ${listed}`, also, agreement: "different" };
}

/** What an alert is for, in a word or two of a sentence. */
export function subjectText(alert: Alert): string {
  if (alert.kind === "hit") return alert.read.text;
  return alert.kind === "shot" ? `${roundsText(alert.incident)} at ${localTime(Date.parse(alert.incident.at))}` : unknownText(alert).toLowerCase();
}

/** What there is to say of an alert that this page does not know how to show. */
export const unknownText = (alert: UnknownAlert): string => `Alert of kind ${alert.named}`;

/** When the alert was raised, whether what came later bears it out, and who else saw or heard it. */
export function historyText(alert: Alert, passage: Passage | undefined): string {
  const later = alert.support !== "strengthened" ? "" : `; strengthened by later ${alert.kind === "hit" ? "frames" : "reports"}`;
  if (alert.kind === "shot") return `${raisedText(alert)}${later}`;
  const raised = `Raised ${localTime(Date.parse(alert.raised_at))}, ${latency(alert.latency_ms)} after capture`;
  const further = furtherText(alert);
  return `${raised}${later}${further === "" ? "" : `; ${further}`}${passage === undefined ? "" : `; ${camerasText(passage).toLowerCase()}`}`;
}

/** What must be known before anyone acts on the alert; empty when nothing stands against it. */
export function cautions(alert: Alert, collector_ms: number): string[] {
  if (alert.kind === "shot") return incidentCautions(alert.incident, alert.support === "unsupported", collector_ms);
  const said: string[] = [];
  if (alert.recalled_why !== null) said.push(`Recalled: ${alert.recalled_why}`);
  const otherwise = (["plate", "state", "vehicle"] as const).filter((what) => alert.image_check?.[what] === "mismatch");
  if (otherwise.length > 0) said.push(`In the picture this DOES NOT MATCH: ${otherwise.join(", ")}`);
  if (alert.support === "unsupported") {
    said.push(`No longer supported${alert.kind === "hit" ? ": a later revision of this read does not match the entry" : ""}`);
  }
  if (alert.historical) {
    const passed_ms = collector_ms - Date.parse(happenedAt(alert));
    said.push(alert.kind === "hit" ? `Historical: the vehicle passed ${duration(passed_ms)} ago` : "Historical");
  }
  if (alert.kind === "unknown") said.push("This page is older than the collector and does not know how to show this alert: load it again");
  return said;
}

/** One line for the speech of a screen reader. */
export function spokenText(alert: Alert): string {
  if (alert.kind === "shot") return spokenShotText(alert.incident);
  if (alert.kind === "unknown") return `New alert: ${unknownText(alert)}, ${alert.why[0] ?? "no reason given"}`;
  const plate = [...alert.read.text].join(" ");
  if (alert.recalled_why !== null) return `Recalled: alert ${alert.id}, ${plate}`;
  return `${alert.soundings > 1 ? "Alert again" : "New alert"}: ${plate}, ${reasonText(alert.entry)}, ${alert.read.device}, ${alert.read.camera}`;
}
