/** Times as an operator reads them: 24 hours, fixed width, with the zone where it could be mistaken. */

const two = (value: number): string => String(value).padStart(2, "0");

/** "14:32:07" in the browser's time zone. */
export function localTime(wall_ms: number): string {
  const time = new Date(wall_ms);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** "2026-11-21 14:32:07.123 UTC", from the collector's RFC 3339 text (its microseconds are cut to milliseconds). */
export function utcStamp(rfc3339: string): string {
  const time = new Date(rfc3339);
  return Number.isNaN(time.getTime()) ? rfc3339 : time.toISOString().replace("T", " ").replace("Z", " UTC");
}

const zone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });

/** "2026-11-21 08:32:07 GMT-6": local date and time with the zone. */
export function localStamp(rfc3339: string): string {
  const time = new Date(rfc3339);
  if (Number.isNaN(time.getTime())) return rfc3339;
  const name = zone.formatToParts(time).find((part) => part.type === "timeZoneName")?.value ?? "local";
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${localTime(time.getTime())} ${name}`;
}

/** "8 s", "12 min", "3 h 05 min", "2 d 4 h": how long ago, never negative. */
export function duration(elapsed_ms: number): string {
  const seconds = Math.max(0, Math.floor(elapsed_ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** "640 ms", "2.4 s", then as {@link duration}: a latency keeps its milliseconds while they matter. */
export function latency(latency_ms: number): string {
  if (Math.abs(latency_ms) < 1000) return `${Math.round(latency_ms)} ms`;
  return Math.abs(latency_ms) < 60_000 ? `${(latency_ms / 1000).toFixed(1)} s` : duration(latency_ms);
}

/** "99.3 %": never rounded up, so that nothing short of certainty reads "100 %". */
export const percent = (probability: number): string => `${Math.floor(probability * 1000 + 1e-6) / 10} %`;
