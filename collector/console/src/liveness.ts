/**
 * Whether what the page shows can be believed to be now.
 *
 * Pure. The stream carries a heartbeat every 5 s; anything heard counts as one. The invariant: `live` is said only
 * while the stream is open and something was heard within {@link STALE_AFTER_MS}.
 */

export const STALE_AFTER_MS = 12_000;

/** One instant on both clocks of the browser: the wall clock steps, and the monotonic one may stop in sleep. */
export interface Instant {
  readonly wall_ms: number;
  readonly monotonic_ms: number;
}

export const now = (): Instant => ({ wall_ms: Date.now(), monotonic_ms: performance.now() });

export type Liveness =
  | { readonly state: "connecting" }
  | { readonly state: "live"; readonly age_ms: number }
  | { readonly state: "reconnecting"; readonly age_ms: number }
  | { readonly state: "stale"; readonly age_ms: number; readonly since_wall_ms: number };

/** Time since `earlier`, by whichever clock says more: rather stale once too often than live once too long. */
export function age_ms(earlier: Instant, at: Instant): number {
  return Math.max(0, at.wall_ms - earlier.wall_ms, at.monotonic_ms - earlier.monotonic_ms);
}

/** The state at `at`, given when something was last heard (null: never) and whether the stream is open. */
export function liveness(lastHeard: Instant | null, open: boolean, at: Instant): Liveness {
  if (lastHeard === null) return { state: "connecting" };
  const age = age_ms(lastHeard, at);
  if (age >= STALE_AFTER_MS) return { state: "stale", age_ms: age, since_wall_ms: lastHeard.wall_ms };
  return { state: open ? "live" : "reconnecting", age_ms: age };
}
