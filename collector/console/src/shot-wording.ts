/** What a shot incident says, in the words the page uses for it. Pure. */
import type { Ellipse, Incident, NearbyRead, ShotAlert, ShotArrival, VerdictWord } from "./records.ts";
import { duration, latency, localTime, percent } from "./times.ts";

/** The verdicts in the order of their keys, 1 to 5. */
export const VERDICTS: readonly (readonly [word: VerdictWord, label: string])[] = [
  ["gunshot", "Gunshot"],
  ["probable", "Probable"],
  ["fireworks", "Fireworks"],
  ["other", "Other…"],
  ["unsure", "Unsure"],
];

const COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/** "three sensors", "1 round": small numbers of sensors are words, as one says them. */
const inWords = (count: number): string => COUNTS[count] ?? String(count);

export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** "9.1 m", "48 m", "1.2 km". */
export function metres(distance_m: number): string {
  if (distance_m >= 999.5) return `${(distance_m / 1000).toFixed(1)} km`;
  return distance_m < 9.95 ? `${distance_m.toFixed(1)} m` : `${Math.round(distance_m)} m`;
}

/** "3 rounds, burst". */
export function roundsText(incident: Incident): string {
  if (incident.rounds === 0) return "No rounds of its own";
  const fire = incident.rounds > 1 && incident.fire !== "unknown" && incident.fire !== "single" ? `, ${incident.fire}` : "";
  return `${counted(incident.rounds, "round")}${fire}`;
}

export const probabilityText = (incident: Incident): string =>
  incident.probability === null ? "not known" : percent(incident.probability);

/** Five places: about a metre, finer than any location. */
export const coordinatesText = ({ latitude, longitude }: { latitude: number; longitude: number }): string =>
  `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;

const usedCount = (incident: Incident): number => incident.sensors.filter((sensor) => sensor.used).length;

const sensorsText = (count: number): string => `${inWords(count)} ${count === 1 ? "sensor" : "sensors"}`;

/** How sure the location is, and why: "low confidence: three sensors". */
export function confidenceText(incident: Incident): string {
  const count = usedCount(incident);
  if (incident.location !== null) return `${incident.confidence ?? "unknown"} confidence: ${sensorsText(count)}`;
  return noPointText(incident);
}

/** Why there is no point. */
export function noPointText({ region }: Incident): string {
  if (region === null) return "the place of no sensor is known";
  if (region.kind === "band") return "two sites heard it in time: that gives a band and no point";
  if (region.kind === "zone") return "one site heard it in time: it may be anywhere that this one hears";
  return "fewer than three sites heard it in time";
}

/** "Half axes 9.1 m and 4.2 m, the longer one 31° from north". */
export const axesText = (ellipse: Ellipse): string =>
  `Half axes ${metres(ellipse.semi_major_m)} and ${metres(ellipse.semi_minor_m)}, the longer one ${Math.round(ellipse.azimuth_deg)}° from north`;

/** "within 9.1 m (95 %)", or what there is in place of a point. */
export function errorText(incident: Incident): string {
  if (incident.location !== null) return `within ${metres(incident.location.error_m)} (95 %)`;
  const kind = incident.region?.kind;
  return kind === "band" ? "somewhere in the band" : kind === "zone" ? "somewhere in the zone" : "not located";
}

/** One line for a row: "within 9.1 m, high confidence". */
export const whereText = (incident: Incident): string =>
  `${errorText(incident).replace(" (95 %)", "")}${incident.confidence === null ? "" : `, ${incident.confidence} confidence`}`;

/** "Gunshot", "Other: nail gun". */
export function verdictText({ verdict, what }: { readonly verdict: string; readonly what: string | null }): string {
  const known = VERDICTS.find(([word]) => word === verdict)?.[1].replace("…", "") ?? verdict;
  return what === null || what === "" ? known : `${known}: ${what}`;
}

/** What must be known before anyone acts on the incident; empty when nothing stands against it. */
export function incidentCautions(incident: Incident, unsupported: boolean, collector_ms: number): string[] {
  const said: string[] = [];
  if (incident.merged_into !== null) said.push(`Merged: its shots turned out to belong to incident ${incident.merged_into}`);
  else if (unsupported) {
    const now = incident.probability === null ? "" : `: gunfire with ${percent(incident.probability)} now, alerts are from ${percent(incident.alert_from)}`;
    said.push(`No longer supported${now}`);
  }
  if (incident.historical) said.push(`Historical: heard ${duration(collector_ms - Date.parse(incident.at))} ago and told late`);
  if (incident.merged_into === null && incident.rounds > 0) {
    if (incident.location === null) said.push(`No location: ${noPointText(incident)}`);
    else if (incident.confidence === "low") said.push(`${capital(confidenceText(incident))}`);
    if (incident.twin !== null) said.push(`Two places fit: the other one is ${coordinatesText(incident.twin)}`);
  }
  return said;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export interface Due {
  readonly text: string;
  readonly state: "open" | "overdue" | "none";
}

/**
 * How long there is left to say what it was. There is no target where nobody was called, and none for what is old news.
 */
export function dueText(incident: Incident, collector_ms: number): Due {
  if (incident.verdict !== null || incident.alert === null || incident.historical || incident.merged_into !== null) return { text: "", state: "none" };
  const left_ms = Date.parse(incident.verdict_due_at) - collector_ms;
  if (Number.isNaN(left_ms)) return { text: "", state: "none" };
  if (left_ms > 0) return { text: `${Math.ceil(left_ms / 1000)} s left`, state: "open" };
  return { text: `overdue by ${duration(-left_ms)}`, state: "overdue" };
}

const BEARINGS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

/** "north-east", for a move so far east and north. */
export const bearing = (east_m: number, north_m: number): string =>
  BEARINGS[Math.round(((Math.atan2(east_m, north_m) / Math.PI) * 4 + 8) % 8) % 8] as string;

/** A move of a location that is worth a word. */
const MOVED_M = 1;
/** A change of the probability that is worth a word. */
const CHANGED_PROBABILITY = 0.01;

/**
 * What a later revision changed for whoever has looked at the earlier one; empty if nothing to act on.
 *
 * @param moved east and north from the earlier location to the later, where both have one.
 */
export function changes(before: Incident, after: Incident, moved: { east_m: number; north_m: number } | null): string[] {
  const said: string[] = [];
  if (before.rounds !== after.rounds) said.push(`${counted(after.rounds, "round")}, was ${before.rounds}`);
  if (before.location === null && after.location !== null) said.push("located now");
  if (before.location !== null && after.location === null) said.push("no longer located");
  if (moved !== null) {
    const { east_m, north_m } = moved;
    const distance_m = Math.hypot(east_m, north_m);
    if (distance_m >= MOVED_M) said.push(`moved ${metres(distance_m)} ${bearing(east_m, north_m)}`);
  }
  if (before.confidence !== after.confidence && after.confidence !== null) said.push(`${after.confidence} confidence${before.confidence === null ? "" : `, was ${before.confidence}`}`);
  const [was, is] = [before.probability, after.probability];
  if (was !== is && Math.abs((was ?? -1) - (is ?? -1)) >= CHANGED_PROBABILITY) {
    said.push(`gunfire ${probabilityText(after)}, was ${probabilityText(before)}`);
  }
  if (usedCount(before) !== usedCount(after)) said.push(`${sensorsText(usedCount(after))} used, was ${usedCount(before)}`);
  return said;
}

/** "14 s after the shot": when a plate was read. */
export function sinceShotText(read: NearbyRead): string {
  if (Math.abs(read.offset_s) < 0.05) return "as the shot was fired";
  return `${latency(Math.abs(read.offset_s) * 1000)} ${read.offset_s < 0 ? "before" : "after"} the shot`;
}

/** Whether the read outlives the usual retention. */
export const holdText = (read: NearbyRead, until: string): string =>
  read.hold === "confirmed" ? `Hold confirmed, until ${until}` : `Hold ${read.hold}, until ${until}`;

/** When it was raised, and how far the incident has come. */
export function raisedText(alert: ShotAlert): string {
  const { incident } = alert;
  const stage = `${incident.stage}, revision ${incident.revision}`;
  return `Raised ${localTime(Date.parse(alert.raised_at))}, ${latency(alert.latency_ms)} after the first round; ${stage}`;
}

/** Why an incident raised no alert. */
export function notAlertedText(incident: Incident): string {
  if (incident.merged_into !== null) return `merged into incident ${incident.merged_into}`;
  if (incident.probability === null) return "no sensor says how likely it was gunfire";
  if (incident.probability < incident.alert_from) return `below ${percent(incident.alert_from)}`;
  return incident.historical ? "told too late to alert" : "raised no alert";
}

/** One line for the speech of a screen reader. */
export const spokenShotText = (incident: Incident): string =>
  `New alert: gunfire ${probabilityText(incident)}, ${roundsText(incident)}, ${whereText(incident)}`;

/** Of one sensor's shot: what of it matters beside the figures. */
export const arrivalText = (shot: ShotArrival): string =>
  [
    shot.round === null || shot.rounds === null || shot.rounds < 2 ? "" : `round ${shot.round} of ${shot.rounds}`,
    shot.timing === "location" ? "" : shot.timing,
    ...shot.marks,
    shot.incident === null ? "" : `incident ${shot.incident}`,
  ]
    .filter(Boolean)
    .join(" · ");
