/** What h2load says: its summary, and its log with a line for each request. */

export interface H2loadSummary {
  readonly requestsPerSecond: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Bytes in DATA frames of all replies. */
  readonly dataBytes: number;
}

export function parseSummary(output: string): H2loadSummary {
  const find = (pattern: RegExp, what: string): number => {
    const text = pattern.exec(output)?.[1];
    if (text === undefined) throw new Error(`h2load's output does not tell ${what}:\n${output}`);
    return Number(text);
  };
  const total = find(/requests: (\d+) total/, 'the requests');
  const succeeded = find(/, (\d+) succeeded,/, 'what succeeded');
  return {
    requestsPerSecond: find(/, ([\d.]+) req\/s/, 'requests per second'),
    succeeded,
    failed: total - succeeded,
    dataBytes: find(/headers \(.*\), \S+ \((\d+)\) data/, 'the bytes of data'),
  };
}

export interface LogEntry {
  /** Microseconds since 1970. */
  readonly startUs: number;
  readonly durationUs: number;
}

export function parseLog(text: string): LogEntry[] {
  const entries: LogEntry[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [start, status, duration] = line.split('\t');
    if (status !== '200') throw new Error(`a request with HTTP status ${status}`);
    entries.push({ startUs: Number(start), durationUs: Number(duration) });
  }
  return entries;
}

export interface UnaryLoad {
  readonly perSecond: number;
  /** Sorted, in milliseconds. */
  readonly latenciesMs: Float64Array;
}

/** Rate and latencies from the first request's start to the last one's end. */
export function unaryLoad(log: readonly LogEntry[]): UnaryLoad {
  if (log.length === 0) throw new Error('h2load made no request');
  let fromUs = Infinity;
  let toUs = -Infinity;
  for (const { startUs, durationUs } of log) {
    fromUs = Math.min(fromUs, startUs);
    toUs = Math.max(toUs, startUs + durationUs);
  }
  const latenciesMs = Float64Array.from(log, ({ durationUs }) => durationUs / 1000).sort();
  return { perSecond: (log.length / (toUs - fromUs)) * 1e6, latenciesMs };
}
