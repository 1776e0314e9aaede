// What time it is for the control plane: deadlines are its, and this machine's clock may be wrong.
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** Answers say the time to the second: what is within this is no difference. */
const NOISE_MS = 2_000;

let aheadMs = 0;

/** Takes the time of an answer. */
export function heard(date: string | null): void {
  const theirs = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return;
  const difference = theirs - Date.now();
  aheadMs = Math.abs(difference) < NOISE_MS ? 0 : difference;
}

/** Now, in milliseconds since 1970. */
export function now(): number {
  return Date.now() + aheadMs;
}

/** How far the control plane's clock is from this machine's, in milliseconds. */
export function difference(): number {
  return aheadMs;
}

export function millis(time: Timestamp | undefined): number {
  return time === undefined ? Number.NaN : Number(time.seconds) * 1000 + Math.trunc(time.nanos / 1e6);
}

export function seconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds);
}

/** A length of time in the two largest units that it has: `2 h 5 min`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const units: [number, string][] = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => s >= size);
  if (first < 0) return "0 s";
  const [size, unit] = units[first] ?? [1, "s"];
  const whole = `${Math.floor(s / size)} ${unit}`;
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((s % size) / next[0]);
  // Beyond some minutes seconds are no news.
  return next === undefined || rest === 0 || (unit === "min" && s >= 600) ? whole : `${whole} ${rest} ${next[1]}`;
}

/** A moment, in full, in this machine's time zone. */
export function moment(ms: number): string {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
