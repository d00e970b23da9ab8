/** The collector's HTTP API. Every failure is one of three errors, by what the operator can do about it. */
import { Unreadable, alertOf, incidentOf, verdictsOf } from "./parsing.ts";
import type { Alert, Device, DeviceChange, Disposition, EarlierVerdict, Incident, Passage, PlateRead, Session, ShotArrival, VerdictWord } from "./records.ts";

const TIMEOUT_MS = 10_000;

/** The session has ended, or never was: log in. */
export class SessionEnded extends Error {}

/** The collector answered and refused; the text is its reason. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** The collector did not answer, or with something that is no answer: try again. */
export class Unreachable extends Error {}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const detail: unknown = (JSON.parse(text) as { detail?: unknown }).detail;
    if (typeof detail === "string") return detail;
  } catch {
    // A proxy's error page is not JSON; the status alone must do.
  }
  return `the collector answered ${response.status} ${response.statusText}`.trim();
}

/** What `read` makes of an answer; an answer that is not what the API describes is no answer. */
function understood<A, T>(answer: A, read: (answer: A) => T): T {
  try {
    return read(answer);
  } catch (error) {
    if (error instanceof Unreadable) throw new Unreachable(`the collector's answer cannot be read: ${error.message}`);
    throw error;
  }
}

async function ask<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new Unreachable(late ? `no answer within ${TIMEOUT_MS / 1000} s` : "the collector cannot be reached");
  }
  if (response.status === 401) throw new SessionEnded(await reasonOf(response));
  if (response.status >= 500) throw new Unreachable(await reasonOf(response));
  if (!response.ok) throw new Refused(response.status, await reasonOf(response));
  try {
    return (response.status === 204 ? undefined : await response.json()) as T;
  } catch {
    throw new Unreachable("the collector's answer broke off");
  }
}

export type Credentials = { readonly username: string; readonly password: string } | { readonly code: string };

export const login = (credentials: Credentials): Promise<Session> => ask("POST", "/api/login", credentials);
export const logout = (): Promise<unknown> => ask("POST", "/api/logout");
export const me = (): Promise<Session> => ask("GET", "/api/me");
export const alert = async (id: number): Promise<Alert> => understood(await ask("GET", `/api/alerts/${id}`), alertOf);
export const acknowledge = async (id: number): Promise<Alert> => understood(await ask("POST", `/api/alerts/${id}/acknowledge`), alertOf);

/** Say what became of an alert. */
export const close = async (id: number, disposition: Disposition): Promise<Alert> =>
  understood(await ask("POST", `/api/alerts/${id}/close`, { disposition }), alertOf);

/** One page of alerts, newest first; `before` continues below that id. */
export async function alerts(state: Alert["state"], limit: number, before: number | null = null): Promise<Alert[]> {
  const query = new URLSearchParams({ state, limit: String(limit) });
  if (before !== null) query.set("before", String(before));
  const { alerts } = await ask<{ alerts: unknown[] }>("GET", `/api/alerts?${query}`);
  return understood(alerts, (listed) => listed.map(alertOf));
}

/** One page of incidents, with and without alerts, newest first; `before` continues below that id. */
export async function incidents(limit: number, before: number | null = null): Promise<Incident[]> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (before !== null) query.set("before", String(before));
  const { incidents } = await ask<{ incidents: unknown[] }>("GET", `/api/incidents?${query}`);
  return understood(incidents, (listed) => listed.map(incidentOf));
}

export const incident = async (id: number): Promise<Incident> => understood(await ask("GET", `/api/incidents/${id}`), incidentOf);

/** Say what an incident was; `what` in one's own words, for "other". */
export async function judge(id: number, verdict: VerdictWord, what: string | null): Promise<Incident> {
  const given = what === null ? { verdict } : { verdict, what };
  return understood(await ask("POST", `/api/incidents/${id}/verdict`, given), incidentOf);
}

/** Every verdict that was given to an incident, oldest first. */
export async function verdicts(id: number): Promise<EarlierVerdict[]> {
  const { revisions } = await ask<{ revisions: unknown }>("GET", `/api/incidents/${id}/revisions`);
  return understood(revisions, verdictsOf);
}

export const reads = async (limit: number): Promise<PlateRead[]> =>
  (await ask<{ reads: PlateRead[] }>("GET", `/api/reads?limit=${limit}`)).reads;

export const passages = async (limit: number): Promise<Passage[]> =>
  (await ask<{ passages: Passage[] }>("GET", `/api/passages?limit=${limit}`)).passages;

export const passage = (id: number): Promise<Passage> => ask("GET", `/api/passages/${id}`);

export const devices = async (): Promise<Device[]> => (await ask<{ devices: Device[] }>("GET", "/api/devices")).devices;

export const deviceChanges = async (id: string, limit: number): Promise<DeviceChange[]> =>
  (await ask<{ changes: DeviceChange[] }>("GET", `/api/devices/${encodeURIComponent(id)}/changes?limit=${limit}`)).changes;

export const shots = async (limit: number): Promise<ShotArrival[]> =>
  (await ask<{ shots: ShotArrival[] }>("GET", `/api/shots?limit=${limit}`)).shots;

export const pictureAddress = (sha256: string): string => `/api/pictures/${encodeURIComponent(sha256)}`;

export const clipAddress = (sha256: string): string => `/api/clips/${encodeURIComponent(sha256)}`;
