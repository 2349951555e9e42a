/** Durations as Go prints them, and with it etcd's log lines: 1h0m0s, 2.5s, 12.345ms, 800ns. */

const NS_PER_MS = 1_000_000;
const MS_PER_SECOND = 1000;
const SECONDS_PER_MINUTE = 60;
const MINUTES_PER_HOUR = 60;

/** To the nanosecond, as far as the number of milliseconds goes. */
export function goDuration(ms: number): string {
  if (ms < 0) return `-${goDuration(-ms)}`;
  const ns = Math.round(ms * NS_PER_MS);
  if (ns === 0) return '0s';
  if (ns < 1000) return `${ns}ns`;
  if (ns < NS_PER_MS) return `${ns / 1000}µs`;
  if (ns < MS_PER_SECOND * NS_PER_MS) return `${ns / NS_PER_MS}ms`;
  const seconds = ns / (MS_PER_SECOND * NS_PER_MS);
  const minutes = Math.floor(seconds / SECONDS_PER_MINUTE);
  const rest = Math.round((seconds - minutes * SECONDS_PER_MINUTE) * 1e9) / 1e9;
  if (minutes === 0) return `${rest}s`;
  const hours = Math.floor(minutes / MINUTES_PER_HOUR);
  return hours === 0 ? `${minutes}m${rest}s` : `${hours}h${minutes % MINUTES_PER_HOUR}m${rest}s`;
}
