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

describe('rate and latencies', () => {
  const every = (fromUs: number, toUs: number, stepUs: number) => {
    const entries = [];
    for (let startUs = fromUs; startUs < toUs; startUs += stepUs) entries.push({ startUs, durationUs: stepUs });
    return entries;
  };

  test('are those of the time in which all connections were busy', () => {
    // Alone, the first would be 1,000/s for 3 s; the second is busy for 1 s of it, at 2,000/s.
    const { perSecond, latenciesMs } = unaryLoad([every(0, 3e6, 1000), every(1e6, 2e6, 500)]);
    expect(perSecond).toBe(3000);
    expect(latenciesMs.length).toBe(3000);
    expect([latenciesMs[0], latenciesMs.at(-1)]).toEqual([0.5, 1]);
  });

  test('are those of all of the time when there was none in which all were busy', () => {
    const { perSecond } = unaryLoad([every(0, 1e6, 1000), every(3e6, 4e6, 1000)]);
    expect(perSecond).toBe(500);
  });

  test('of a connection without a request are an error', () => {
    expect(() => unaryLoad([every(0, 1e6, 1000), []])).toThrow('without a request');
  });
});
