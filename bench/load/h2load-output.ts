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

/**
 * Rate and latencies over the time in which every connection was busy: from when the last one began until the first one
 * ended. Where the load was too short for that, over all of it, which makes the rate smaller than it was.
 */
export function unaryLoad(logs: readonly (readonly LogEntry[])[]): UnaryLoad {
  const spans = logs.map(spanOf);
  const common = {
    fromUs: Math.max(...spans.map(({ fromUs }) => fromUs)),
    toUs: Math.min(...spans.map(({ toUs }) => toUs)),
  };
  const whole = {
    fromUs: Math.min(...spans.map(({ fromUs }) => fromUs)),
    toUs: Math.max(...spans.map(({ toUs }) => toUs)),
  };
  const { fromUs, toUs } = common.fromUs < common.toUs ? common : whole;
  const latencies: number[] = [];
  for (const log of logs) {
    for (const { startUs, durationUs } of log) {
      const endUs = startUs + durationUs;
      if (endUs > fromUs && endUs <= toUs) latencies.push(durationUs / 1000);
    }
  }
  return { perSecond: (latencies.length / (toUs - fromUs)) * 1e6, latenciesMs: Float64Array.from(latencies).sort() };
}

function spanOf(log: readonly LogEntry[]): { readonly fromUs: number; readonly toUs: number } {
  if (log.length === 0) throw new Error('a connection without a request');
  let fromUs = Infinity;
  let toUs = -Infinity;
  for (const { startUs, durationUs } of log) {
    fromUs = Math.min(fromUs, startUs);
    toUs = Math.max(toUs, startUs + durationUs);
  }
  return { fromUs, toUs };
}
