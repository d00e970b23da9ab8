/**
 * From the collector's JSON to the records of this page.
 *
 * Strict in what a field is, tolerant in which words it holds: a collector that is newer than the page may know more
 * kinds, stages and verdicts. The invariant: an alert whose number and state can be read is never dropped; where the
 * rest is unknown or cannot be read it becomes an {@link UnknownAlert} that says so.
 */
import type { Alert, Aligned, EarlierVerdict, Ellipse, FieldOutcome, HotlistEntry, ImageCheck, Incident, Location, NearbyRead, Place, PlateRead, RecordCheck, Sensor, Silent, Verdict } from "./records.ts";

/** A record is not what the API describes; the text says where, what was got and what was expected. */
export class Unreadable extends Error {}

/** One JSON object, whose fields are asked for by name and type. */
class Part {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Unreadable(`${where}: got ${shown(value)}, expected an object`);
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#where = where;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  text(name: string): string {
    const value = this.#fields[name];
    return typeof value === "string" ? value : this.#refuse(name, "a text");
  }

  number(name: string): number {
    const value = this.#fields[name];
    return typeof value === "number" && Number.isFinite(value) ? value : this.#refuse(name, "a number");
  }

  truth(name: string): boolean {
    const value = this.#fields[name];
    return typeof value === "boolean" ? value : this.#refuse(name, "true or false");
  }

  oneOf<T extends string>(name: string, ...words: readonly T[]): T {
    const value = this.#fields[name];
    return words.find((word) => word === value) ?? this.#refuse(name, words.join(" or "));
  }

  /** What `read` makes of a field that may be null, or missing where an older collector does not have it. */
  maybe<T>(name: string, read: (part: this, name: string) => T): T | null {
    return this.has(name) ? read(this, name) : null;
  }

  part(name: string): Part {
    return new Part(this.#fields[name], `${this.#where}.${name}`);
  }

  list<T>(name: string, read: (value: unknown, where: string) => T): T[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) return this.#refuse(name, "a list");
    return value.map((item: unknown, index) => read(item, `${this.#where}.${name}[${index}]`));
  }

  parts<T>(name: string, read: (part: Part) => T): T[] {
    return this.list(name, (item, where) => read(new Part(item, where)));
  }

  texts(name: string): string[] {
    return this.list(name, (item, where) => {
      if (typeof item !== "string") throw new Unreadable(`${where}: got ${shown(item)}, expected a text`);
      return item;
    });
  }

  /** The object as it is, once `check` has looked at what the page relies on. */
  as<T>(check: (part: this) => void): T {
    check(this);
    return this.#fields as T;
  }

  #refuse(name: string, expected: string): never {
    throw new Unreadable(`${this.#where}.${name}: got ${shown(this.#fields[name])}, expected ${expected}`);
  }
}

const shown = (value: unknown): string => (value === undefined ? "nothing" : (JSON.stringify(value) ?? typeof value).slice(0, 60));

const text = (part: Part, name: string): string => part.text(name);
const number = (part: Part, name: string): number => part.number(name);

const place = (part: Part): Place => ({ latitude: part.number("latitude"), longitude: part.number("longitude") });

const ellipse = (part: Part): Ellipse => ({
  semi_major_m: part.number("semi_major_m"),
  semi_minor_m: part.number("semi_minor_m"),
  azimuth_deg: part.number("azimuth_deg"),
});

const location = (part: Part): Location => ({
  ...place(part),
  error_m: part.number("error_m"),
  ellipse50: ellipse(part.part("ellipse50")),
  ellipse95: ellipse(part.part("ellipse95")),
});

/** A corner of an outline: `[latitude, longitude]`. */
function corner(value: unknown, where: string): Place {
  const [latitude, longitude] = Array.isArray(value) ? (value as unknown[]) : [];
  if (typeof latitude === "number" && typeof longitude === "number") return { latitude, longitude };
  throw new Unreadable(`${where}: got ${shown(value)}, expected latitude and longitude`);
}

const sensor = (part: Part): Sensor => ({
  device: part.text("device"),
  microphone: part.text("microphone"),
  place: part.has("latitude") && part.has("longitude") ? place(part) : null,
  used: part.truth("used"),
  why: part.maybe("why", text),
  residual_ms: part.maybe("residual_ms", number),
  clip: part.maybe("clip", text),
  clip_here: part.truth("clip_here"),
  distance_m: part.maybe("distance_m", number),
});

const silent = (part: Part): Silent => ({ device: part.text("device"), place: place(part), expected: part.number("expected") });

const verdict = (part: Part): Verdict => ({
  verdict: part.text("verdict"),
  what: part.maybe("what", text),
  by: part.text("by"),
  at: part.text("at"),
  after_s: part.number("after_s"),
});

/** Only what everything that shows a read relies on is looked at: reads are many, and older than this. */
const read = (part: Part): PlateRead =>
  part.as<PlateRead>((fields) => {
    for (const name of ["id", "revision", "confidence", "latency_ms"]) fields.number(name);
    for (const name of ["text", "device", "camera", "captured_at"]) fields.text(name);
    for (const name of ["slots", "regions", "marks"]) fields.list(name, () => null);
  });

const entry = (part: Part): HotlistEntry =>
  part.as<HotlistEntry>((fields) => {
    for (const name of ["plate", "list"]) fields.text(name);
  });

const nearby = (part: Part): NearbyRead => ({
  read: read(part.part("read")),
  distance_m: part.number("distance_m"),
  offset_s: part.number("offset_s"),
  held_until: part.text("held_until"),
  hold: part.text("hold"),
});

const incident = (part: Part): Incident => ({
  id: part.number("id"),
  stage: part.text("stage"),
  revision: part.number("revision"),
  at: part.text("at"),
  rounds: part.number("rounds"),
  fire: part.text("fire"),
  probability: part.maybe("probability", number),
  probability_why: part.texts("probability_why"),
  confidence: part.maybe("confidence", text),
  location: part.maybe("location", (fields, name) => location(fields.part(name))),
  twin: part.maybe("twin", (fields, name) => place(fields.part(name))),
  region: part.maybe("region", (fields, name) => {
    const region = fields.part(name);
    return { kind: region.text("kind"), outline: region.list("outline", corner) };
  }),
  sensors: part.parts("sensors", sensor),
  silent: part.parts("silent", silent),
  verdict: part.maybe("verdict", (fields, name) => verdict(fields.part(name))),
  verdict_due_at: part.text("verdict_due_at"),
  reads: part.parts("reads", nearby),
  alert: part.maybe("alert", number),
  alert_from: part.number("alert_from"),
  historical: part.truth("historical"),
  merged_into: part.maybe("merged_into", number),
});

const aligned = (part: Part): Aligned => ({
  read: part.text("read"),
  read_p: part.number("read_p"),
  entry: part.text("entry"),
  entry_p: part.number("entry_p"),
  step: part.text("step"),
});

const told = (part: Part): { by: string; at: string } => ({ by: part.text("by"), at: part.text("at") });
const imageCheck = (part: Part): ImageCheck => ({ plate: part.text("plate"), state: part.text("state"), vehicle: part.text("vehicle"), ...told(part) });
const recordCheck = (part: Part): RecordCheck => ({ status: part.text("status"), reference: part.text("reference"), ...told(part) });
const fieldOutcome = (part: Part): FieldOutcome => ({ outcome: part.text("outcome"), ...told(part) });

/** @throws Unreadable */
export const incidentOf = (value: unknown): Incident => incident(new Part(value, "incident"));

/** What is not worth losing an alert for: null if it cannot be read. Whether a record is confirmed is said apart. */
function readable<T>(read: () => T | null): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

/** @throws Unreadable if not even its number, its state or its times can be read. */
export function alertOf(value: unknown): Alert {
  const part = new Part(value, "alert");
  const base = {
    id: part.number("id"),
    state: part.oneOf("state", "new", "acknowledged", "closed"),
    support: part.oneOf("support", "raised", "strengthened", "unsupported"),
    raised_at: part.text("raised_at"),
    latency_ms: part.number("latency_ms"),
    why: part.texts("why"),
    historical: part.truth("historical"),
    acknowledged_by: part.maybe("acknowledged_by", text),
    acknowledged_at: part.maybe("acknowledged_at", text),
    soundings: part.maybe("soundings", number) ?? 1,
    escalated_at: part.maybe("escalated_at", text),
    recalled_why: part.maybe("recalled_why", text),
    disposition: part.maybe("disposition", text),
    closed_by: part.maybe("closed_by", text),
    closed_at: part.maybe("closed_at", text),
    suppressed: part.maybe("suppressed", number) ?? 0,
    sites: part.has("trail") ? part.parts("trail", (point) => point.text("site")) : [],
    image_check: readable(() => part.maybe("image_check", (fields, name) => imageCheck(fields.part(name)))),
    record_check: readable(() => part.maybe("record_check", (fields, name) => recordCheck(fields.part(name)))),
    field_outcome: readable(() => part.maybe("field_outcome", (fields, name) => fieldOutcome(fields.part(name)))),
    confirm_by: part.maybe("confirm_by", text),
    // A collector that does not say so has confirmed nothing.
    confirmed: part.has("confirmed") && part.truth("confirmed"),
    hand_off: part.maybe("hand_off", text) ?? "",
  };
  // A collector from before there were shots does not name the kind.
  const named = part.maybe("kind", text) ?? "hit";
  try {
    if (named === "hit") {
      const match = part.has("match") ? part.part("match") : null;
      const judged = {
        probability: part.maybe("probability", number),
        calibrated: match?.truth("calibrated") ?? false,
        alignment: match?.parts("alignment", aligned) ?? null,
      };
      return { ...base, ...judged, kind: named, rule: part.text("rule"), entry: entry(part.part("entry")), read: read(part.part("read")) };
    }
    if (named === "shot") return { ...base, kind: named, incident: incident(part.part("incident")) };
    return { ...base, kind: "unknown", named, problem: "" };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { ...base, kind: "unknown", named, problem: error.message };
  }
}

/** The verdicts among an incident's revisions, oldest first. @throws Unreadable */
export function verdictsOf(revisions: unknown): EarlierVerdict[] {
  const all = new Part({ revisions }, "answer").parts("revisions", (part): EarlierVerdict | null => {
    const known = part.part("known");
    if (part.text("stage") !== "reviewed" || !known.has("by")) return null;
    return { at: part.text("at"), verdict: known.text("verdict"), what: known.maybe("what", text), by: known.text("by") };
  });
  return all.filter((one) => one !== null);
}
