/** The collector's HTTP API. Every failure is one of three errors, by what the operator can do about it. */
import type { Alert, Device, Passage, PlateRead, Session, ShotArrival } from "./records.ts";

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
export const alert = (id: number): Promise<Alert> => ask("GET", `/api/alerts/${id}`);
export const acknowledge = (id: number): Promise<Alert> => ask("POST", `/api/alerts/${id}/acknowledge`);

/** One page of alerts, newest first; `before` continues below that id. */
export async function alerts(state: Alert["state"], limit: number, before: number | null = null): Promise<Alert[]> {
  const query = new URLSearchParams({ state, limit: String(limit) });
  if (before !== null) query.set("before", String(before));
  return (await ask<{ alerts: Alert[] }>("GET", `/api/alerts?${query}`)).alerts;
}

export const reads = async (limit: number): Promise<PlateRead[]> =>
  (await ask<{ reads: PlateRead[] }>("GET", `/api/reads?limit=${limit}`)).reads;

export const passages = async (limit: number): Promise<Passage[]> =>
  (await ask<{ passages: Passage[] }>("GET", `/api/passages?limit=${limit}`)).passages;

export const passage = (id: number): Promise<Passage> => ask("GET", `/api/passages/${id}`);

export const devices = async (): Promise<Device[]> => (await ask<{ devices: Device[] }>("GET", "/api/devices")).devices;

export const shots = async (limit: number): Promise<ShotArrival[]> =>
  (await ask<{ shots: ShotArrival[] }>("GET", `/api/shots?limit=${limit}`)).shots;

export const pictureAddress = (sha256: string): string => `/api/pictures/${encodeURIComponent(sha256)}`;
