import { describe, expect, test } from 'vitest';
import { parseLog, parseSummary, unaryLoad } from '../../../bench/load/h2load-output.ts';

const OUTPUT = `
finished in 4.02s, 10297.00 req/s, 660.09KB/s
requests: 30891 total, 30891 started, 30891 done, 30890 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 30891 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.93MB (2027798) total, 75.44KB (77252) headers (space savings 94.73%), 1.23MB (1294736) data
                     min         max         mean         sd        +/- sd
`;

test('the summary tells what was answered, what was not, and the bytes of the answers', () => {
  expect(parseSummary(OUTPUT)).toEqual({
    requestsPerSecond: 10297,
    succeeded: 30890,
    failed: 1,
    dataBytes: 1294736,
  });
  expect(() => parseSummary('h2load: something went wrong')).toThrow('does not tell');
});

describe('the log', () => {
  test('has a request on each line', () => {
    expect(parseLog('1000\t200\t50\n1010\t200\t70\n')).toEqual([
      { startUs: 1000, durationUs: 50 },
      { startUs: 1010, durationUs: 70 },
    ]);
    expect(parseLog('')).toEqual([]);
  });

  test('with a status other than 200 is an error', () => {
    expect(() => parseLog('1000\t200\t50\n1010\t503\t70\n')).toThrow('503');
  });
});

test('rate and latencies are those from the first start to the last end, in whatever order the log has them', () => {
  const log = [
    { startUs: 5_000_000, durationUs: 1_000_000 },
    { startUs: 4_000_000, durationUs: 250_000 },
    { startUs: 4_100_000, durationUs: 500_000 },
  ];
  const { perSecond, latenciesMs } = unaryLoad(log);
  expect(perSecond).toBe(1.5);
  expect([...latenciesMs]).toEqual([250, 500, 1000]);
  expect(() => unaryLoad([])).toThrow('no request');
});
