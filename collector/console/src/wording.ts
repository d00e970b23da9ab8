/** What an alert says, in the words the page uses for it. */
import type { Alert, HotlistEntry, PlateRead } from "./records.ts";
import { duration, latency, localTime, percent } from "./times.ts";

export const reasonText = (entry: HotlistEntry): string => entry.reason || "No reason given in the list";

export const severityText = (entry: HotlistEntry): string => (entry.severity === null ? "" : String(entry.severity));

export const listText = (entry: HotlistEntry): string => `${entry.list}, version ${entry.version}`;

export function ruleText(alert: Alert): string {
  if (alert.rule === "exact") return "exact";
  if (alert.rule === "folded") return "folded 0/O 1/I";
  return alert.rule;
}

/** The camera and its place, as far as they are known. */
export function placeText(read: PlateRead): string {
  const lane = read.lane === null ? "" : `lane ${read.lane}`;
  const face = read.face === null ? "" : `${read.face} plate`;
  return [`camera ${read.camera} (${read.role})`, lane, read.direction, face].filter(Boolean).join(", ");
}

export interface RegionComparison {
  readonly text: string;
  /** What else the region may be; empty if nothing likely. */
  readonly also: string;
  readonly agreement: "same" | "different" | "unknown";
}

/** The region read against the region listed. */
export function compareRegions(alert: Alert): RegionComparison {
  const [best, second] = alert.read.regions;
  const also = second !== undefined && second[1] >= 0.05 ? `or ${second[0]} ${percent(second[1])}` : "";
  const read = best === undefined ? "not read" : `read ${best[0]} ${percent(best[1])}`;
  const listed = alert.entry.region;
  if (listed === null) return { text: `${read}; the list names none`, also, agreement: "unknown" };
  if (best === undefined) return { text: `${read}; listed ${listed}`, also, agreement: "unknown" };
  const same = best[0] === listed;
  const text = `${read}; ${same ? "as listed" : `DIFFERS from listed ${listed}`}`;
  return { text, also, agreement: same ? "same" : "different" };
}

/** When the alert was raised, and whether later frames of the same pass bear it out. */
export function historyText(alert: Alert): string {
  const raised = `Raised ${localTime(Date.parse(alert.raised_at))}, ${latency(alert.latency_ms)} after capture`;
  return alert.support === "strengthened" ? `${raised}; strengthened by later frames` : raised;
}

/** What must be known before anyone acts on the alert; empty when nothing stands against it. */
export function cautions(alert: Alert, collector_ms: number): string[] {
  const said: string[] = [];
  if (alert.support === "unsupported") {
    said.push("No longer supported: a later revision of this read does not match the entry");
  }
  if (alert.historical) {
    const passed_ms = collector_ms - Date.parse(alert.read.captured_at);
    said.push(`Historical: the vehicle passed ${duration(passed_ms)} ago`);
  }
  return said;
}

/** One line for the speech of a screen reader. */
export function spokenText(alert: Alert): string {
  const plate = [...alert.read.text].join(" ");
  return `New alert: ${plate}, ${reasonText(alert.entry)}, ${alert.read.device}, ${alert.read.camera}`;
}
