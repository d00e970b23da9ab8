/** Everybody who listened, numbered once: the plan, the table and the clips call a sensor by the same number. Pure. */
import { type Metres, Plane } from "./plan-geometry.ts";
import type { Incident, Place, Sensor, Silent } from "./records.ts";
import { percent } from "./times.ts";

export type Hearing = "used" | "rejected" | "silent";

export interface Station {
  readonly number: number;
  readonly hearing: Hearing;
  readonly device: string;
  /** The device, and its microphone where it has one to tell. */
  readonly name: string;
  readonly place: Place | null;
  readonly distance_m: number | null;
  readonly residual_ms: number | null;
  /** What became of what it heard, in words. */
  readonly words: string;
}

const distance_m = ({ east_m, north_m }: Metres): number => Math.hypot(east_m, north_m);

const heard = (sensor: Sensor, number: number, located: boolean): Station => ({
  number,
  hearing: sensor.used ? "used" : "rejected",
  device: sensor.device,
  name: `${sensor.device} · ${sensor.microphone}`,
  place: sensor.place,
  distance_m: sensor.distance_m,
  residual_ms: sensor.residual_ms,
  words: sensor.used ? (located ? "used for the location" : "heard it") : `rejected: ${sensor.why ?? "no reason given"}`,
});

const quiet = (silent: Silent, number: number, plane: Plane | null): Station => ({
  number,
  hearing: "silent",
  device: silent.device,
  name: silent.device,
  place: silent.place,
  distance_m: plane === null ? null : distance_m(plane.at(silent.place)),
  residual_ms: null,
  words: `listened and heard nothing; expected to hear it with ${percent(silent.expected)}`,
});

/** Who heard it, in the collector's order (nearest first), then who heard nothing. */
export function stations(incident: Incident): Station[] {
  const located = incident.location !== null;
  const plane = incident.location === null ? null : new Plane(incident.location);
  const sensors = incident.sensors.map((sensor, index) => heard(sensor, index + 1, located));
  return [...sensors, ...incident.silent.map((one, index) => quiet(one, sensors.length + index + 1, plane))];
}
