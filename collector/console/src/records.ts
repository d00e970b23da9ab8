/** What the collector's HTTP API speaks, as its OpenAPI page describes it. Times are RFC 3339 in UTC. */

/** One character position: what it may be, likeliest first, with probabilities. */
export type Slot = readonly (readonly [character: string, probability: number])[];

/** The paired camera's frame of the same moment. */
export interface Overview {
  readonly camera: string;
  readonly sha256: string;
  /** When it was captured, less when the read was. */
  readonly offset_ms: number;
  readonly here: boolean;
}

export interface Vehicle {
  readonly body: string | null;
  readonly colour: string | null;
  readonly make: string | null;
}

export interface PlateRead {
  readonly id: number;
  readonly device: string;
  readonly agency: string;
  readonly camera: string;
  readonly role: string;
  readonly pair: string | null;
  readonly lane: string | number | null;
  readonly direction: string | null;
  readonly face: string | null;
  readonly deployment: string | null;
  readonly revision: number;
  readonly final: boolean;
  readonly text: string;
  readonly slots: readonly Slot[];
  readonly confidence: number;
  /** The region that is sure enough to be named. */
  readonly region: string | null;
  readonly regions: readonly (readonly [region: string, probability: number])[];
  readonly captured_at: string;
  readonly clock_error_ms: number | null;
  readonly received_at: string;
  readonly latency_ms: number;
  readonly frames: number;
  readonly crop: string | null;
  readonly crop_here: boolean;
  readonly frame: string | null;
  readonly frame_here: boolean;
  readonly overview: Overview | null;
  readonly travel: string | null;
  readonly marks: readonly string[];
  readonly vehicle: Vehicle | null;
  readonly site: string;
  readonly passage: number | null;
}

/** One vehicle, as several reads of one site saw it; without reads they turned out to be of different vehicles. */
export interface Passage {
  readonly id: number;
  readonly site: string;
  readonly agency: string;
  readonly text: string;
  readonly confidence: number;
  readonly first_at: string;
  readonly last_at: string;
  readonly cameras: number;
  readonly reads: readonly PlateRead[];
}

export interface HotlistEntry {
  readonly plate: string;
  readonly region: string | null;
  readonly list: string;
  readonly version: number;
  readonly reason: string | null;
  readonly severity: string | number | null;
  readonly notes: string | null;
}

/** The verdicts with which an alert is closed. */
export type Disposition = "confirmed" | "misread" | "wrong-state" | "stale-entry" | "no-action";

/** What a person sees in the picture, compared with the entry: "match", "mismatch" or "cannot-tell" each. */
export interface ImageCheck {
  readonly plate: string;
  readonly state: string;
  readonly vehicle: string;
  readonly by: string;
  readonly at: string;
}

/** What the entry's source said when it was asked again: "active", "cleared", "not-found" or "not-run". */
export interface RecordCheck {
  readonly status: string;
  readonly reference: string;
  readonly by: string;
  readonly at: string;
}

/** What happened in the field. */
export interface FieldOutcome {
  readonly outcome: string;
  readonly by: string;
  readonly at: string;
}

/** What every alert says, whatever it is about. */
interface AlertBase {
  readonly id: number;
  readonly state: "new" | "acknowledged" | "closed";
  readonly support: "raised" | "strengthened" | "unsupported";
  readonly raised_at: string;
  /** From what it is about to when it was raised. */
  readonly latency_ms: number;
  readonly why: readonly string[];
  readonly historical: boolean;
  readonly acknowledged_by: string | null;
  readonly acknowledged_at: string | null;
  /** How often it has called for attention. */
  readonly soundings: number;
  readonly escalated_at: string | null;
  /** Why its entry is no longer in force; null while it is. */
  readonly recalled_why: string | null;
  /** A {@link Disposition}, or a word that this page does not know yet. */
  readonly disposition: string | null;
  readonly closed_by: string | null;
  readonly closed_at: string | null;
  /** Further reads at a site that belong to it without a sound. */
  readonly suppressed: number;
  /** The sites where its vehicle was read, in order of time. */
  readonly sites: readonly string[];
  readonly image_check: ImageCheck | null;
  readonly record_check: RecordCheck | null;
  readonly field_outcome: FieldOutcome | null;
  /** By when the record is to be confirmed, after a detention; null while no timer runs. */
  readonly confirm_by: string | null;
  /** Whether the entry's source says that the record is active; of shots, whether a person says gunshot. */
  readonly confirmed: boolean;
  /** What to tell whoever acts on it, a line a fact. */
  readonly hand_off: string;
}

/** One column of the matcher's alignment: what was read, and what is listed, each with its probability. */
export interface Aligned {
  readonly read: string;
  readonly read_p: number;
  readonly entry: string;
  readonly entry_p: number;
  readonly step: string;
}

/** A plate read that matches a hotlist entry. */
export interface HitAlert extends AlertBase {
  readonly kind: "hit";
  readonly rule: string;
  /** P(this plate is that entry); null where the collector does not say. */
  readonly probability: number | null;
  readonly calibrated: boolean;
  /** The matcher's alignment; null where the collector does not give one. */
  readonly alignment: readonly Aligned[] | null;
  readonly entry: HotlistEntry;
  readonly read: PlateRead;
}

/** A shot incident. */
export interface ShotAlert extends AlertBase {
  readonly kind: "shot";
  readonly incident: Incident;
}

/** An alert that this page cannot show in full: the collector is newer. It is shown plainly, and never dropped. */
export interface UnknownAlert extends AlertBase {
  readonly kind: "unknown";
  /** What the collector calls its kind. */
  readonly named: string;
  /** What could not be read of it; empty if it is the kind alone. */
  readonly problem: string;
}

export type Alert = HitAlert | ShotAlert | UnknownAlert;

/** When what the alert is about happened. */
export function happenedAt(alert: Alert): string {
  if (alert.kind === "hit") return alert.read.captured_at;
  return alert.kind === "shot" ? alert.incident.at : alert.raised_at;
}

export interface Ellipse {
  readonly semi_major_m: number;
  readonly semi_minor_m: number;
  /** Of the longer axis, clockwise from north. */
  readonly azimuth_deg: number;
}

/** A point, WGS 84. */
export interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

export interface Location extends Place {
  /** The longer half axis of the 95 % ellipse. */
  readonly error_m: number;
  readonly ellipse50: Ellipse;
  readonly ellipse95: Ellipse;
}

/** A microphone that heard it. */
export interface Sensor {
  readonly device: string;
  readonly microphone: string;
  readonly place: Place | null;
  /** Whether the location rests on it. */
  readonly used: boolean;
  /** Why not. */
  readonly why: string | null;
  readonly residual_ms: number | null;
  readonly clip: string | null;
  readonly clip_here: boolean;
  readonly distance_m: number | null;
}

/** A device that listened within earshot and heard nothing. */
export interface Silent {
  readonly device: string;
  readonly place: Place;
  /** How likely it should have heard it. */
  readonly expected: number;
}

export type VerdictWord = "gunshot" | "probable" | "fireworks" | "other" | "unsure";

export interface Verdict {
  /** A {@link VerdictWord}, or a word that this page does not know yet. */
  readonly verdict: string;
  readonly what: string | null;
  readonly by: string;
  readonly at: string;
  /** How long after the alert, or without one after the incident was made. */
  readonly after_s: number;
}

export interface NearbyRead {
  readonly read: PlateRead;
  readonly distance_m: number;
  /** When the plate was first readable, less when the first round was fired. */
  readonly offset_s: number;
  readonly held_until: string;
  /** "provisional", or "confirmed" by a verdict. */
  readonly hold: string;
}

/** Shots that belong together, as they stand now. */
export interface Incident {
  readonly id: number;
  readonly stage: string;
  readonly revision: number;
  /** When the first round was fired; without a location, when it was first heard. */
  readonly at: string;
  readonly rounds: number;
  readonly fire: string;
  readonly probability: number | null;
  readonly probability_why: readonly string[];
  readonly confidence: string | null;
  readonly location: Location | null;
  readonly twin: Place | null;
  /** `kind` is "ellipse", "band" (two sites heard it in time) or "zone" (one). */
  readonly region: { readonly kind: string; readonly outline: readonly Place[] } | null;
  readonly sensors: readonly Sensor[];
  readonly silent: readonly Silent[];
  readonly verdict: Verdict | null;
  readonly verdict_due_at: string;
  readonly reads: readonly NearbyRead[];
  /** The alert that it raised. */
  readonly alert: number | null;
  readonly alert_from: number;
  readonly historical: boolean;
  /** The incident that its shots turned out to belong to; it has none of its own then. */
  readonly merged_into: number | null;
}

/** A verdict that was given to an incident at some time. */
export interface EarlierVerdict {
  readonly at: string;
  readonly verdict: string;
  readonly what: string | null;
  readonly by: string;
}

export interface ShotArrival {
  readonly id: number;
  readonly device: string;
  readonly agency: string;
  readonly microphone: string;
  readonly captured_at: string;
  readonly error_ms: number | null;
  readonly timing: string;
  readonly probability: number;
  readonly classes: readonly (readonly [name: string, probability: number])[];
  readonly peak_dbfs: number;
  readonly rms_dbfs: number;
  readonly round: number | null;
  readonly rounds: number | null;
  readonly marks: readonly string[];
  readonly received_at: string;
  readonly latency_ms: number;
  readonly incident: number | null;
}

/** A camera or microphone, as its device's last health report has it. */
export interface Source {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly reason: string;
  readonly rate_hz: number;
  readonly skipped: number;
  readonly inference_ms: number | null;
}

/** What feeds a device, as its UPS says; null is what that does not say. */
export interface Power {
  readonly source: string;
  readonly charge_percent: number | null;
  readonly input_v: number | null;
  readonly battery_v: number | null;
  readonly runtime_s: number | null;
}

/** How a device was when it last reported. */
export interface Report {
  readonly at: string | null;
  readonly uptime_s: number | null;
  readonly uplink: {
    readonly state: string | null;
    readonly unacked_s: number | null;
    readonly last_ack_s: number | null;
    readonly metered: boolean;
  };
  readonly outbox: {
    readonly pending: number;
    readonly oldest_s: number;
    readonly bytes: number | null;
    readonly lost: Readonly<Record<string, number>>;
  };
  readonly power: Power | null;
  readonly data_plan: { readonly used_bytes: number; readonly monthly_bytes: number; readonly forecast_bytes: number; readonly alarm: boolean } | null;
  readonly temperature_c: number | null;
  readonly disk_free_bytes: number | null;
  readonly clock_source: string | null;
  readonly clock_error_ms: number | null;
  readonly version: string | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly models: readonly (readonly [use: string, name: string])[];
}

export interface Device {
  readonly id: string;
  readonly site: string;
  readonly status: string;
  readonly link: string;
  readonly last_heard_at: string | null;
  /** Why its connection ended, if it is offline and anything was said. */
  readonly last_word: string | null;
  readonly sources: readonly Source[];
  readonly report: Report | null;
}

/** Something on a device that is in another state than before, as the device says. */
export interface DeviceChange {
  readonly id: number;
  readonly subject: string;
  readonly ref: string | null;
  readonly state: string;
  readonly before: string | null;
  readonly reason: string;
  readonly at: string;
  readonly received_at: string;
}

/** A picture or clip that has arrived: the address to fetch it is its SHA-256. */
export interface ArrivedPicture {
  readonly sha256: string;
  readonly part: string;
  readonly read: number | null;
}

export interface Session {
  readonly user: string;
  readonly role: string;
}
