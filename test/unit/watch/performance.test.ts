/** What one put costs the hub. The bounds are ten times what a slow machine needs; the figures are printed. */
import { describe, expect, it } from 'vitest';
import type { WatchSink } from '../../../src/watch/ports.ts';
import { bytes, createRequest, World } from './world.ts';

/** CPU time of this process: unlike the wall's, not that of whatever else the machine does. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

interface CountingSink extends WatchSink {
  sent: number;
}

const countingSink = (): CountingSink => ({
  sent: 0,
  backlogBytes: 0,
  send() {
    this.sent++;
  },
});

/** Watches all ranges, with that many watchers on each stream. */
function watch(world: World, ranges: readonly (readonly [string, string])[], perStream: number): CountingSink {
  const sink = countingSink();
  let stream = world.hub.openStream(sink);
  for (const [i, [key, end]] of ranges.entries()) {
    if (i % perStream === 0) stream = world.hub.openStream(sink);
    stream.request(createRequest({ key: bytes(key), rangeEnd: bytes(end), prevKv: true }));
  }
  sink.sent = 0;
  return sink;
}

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** Microseconds of CPU per notification of one put of 256 bytes. */
function measure(world: World, puts: number): number {
  const value = 'v'.repeat(256);
  const key = 'registry/pods/ns-5000/pod';
  world.put(key, value);
  for (let i = 0; i < puts; i++) world.put(key, value);
  const first = world.history.currentRev + 1;
  const events = times(puts, () => world.history.apply([[key, value]]));
  const started = cpuMs();
  for (let i = 0; i < puts; i++) world.hub.notify(first + i, events[i]!);
  return ((cpuMs() - started) * 1000) / puts;
}

const PODS = ['registry/pods/', 'registry/pods0'] as const;

describe('notify', () => {
  it.each([
    ['1 watcher', times(1, () => PODS), 1, 1, 200],
    ['1,000 streams on one prefix', times(1000, () => PODS), 1, 1000, 2000],
    ['10,000 streams on one prefix', times(10_000, () => PODS), 1, 10_000, 20_000],
    ['1,000 watchers on 10 streams', times(1000, () => PODS), 100, 1000, 2000],
    ['1,000 watchers of one stream', times(1000, () => PODS), 10_000, 1000, 10_000],
    ['10,000 watchers of one stream', times(10_000, () => PODS), 10_000, 10_000, 100_000],
    ['1 of 10,000 single keys', times(10_000, (i) => [`registry/pods/ns-${i}/pod`, ''] as const), 1, 1, 200],
    [
      '1 of 10,000 prefixes',
      times(10_000, (i) => [`registry/pods/ns-${i}/`, `registry/pods/ns-${i}0`] as const),
      1,
      1,
      200,
    ],
  ] as const)('%s', (name, ranges, perStream, matches, limitUs) => {
    const world = new World();
    const sink = watch(world, ranges, perStream);
    const puts = matches > 1 ? 100 : 2000;
    const us = measure(world, puts);
    console.log(`notify, ${name}: ${us.toFixed(1)} us`);
    expect(sink.sent).toBe(matches * (2 * puts + 1));
    expect(us).toBeLessThan(limitUs);
  });

  it('10,000 watchers that reconnect 5,000 revisions back are level again in well under ten seconds', () => {
    const world = new World();
    for (let i = 0; i < 5000; i++) world.put(`registry/pods/ns-${i % 100}/pod`, 'v'.repeat(256));
    const sink = countingSink();
    for (let i = 0; i < 10_000; i++) {
      const range = { key: bytes(PODS[0]), rangeEnd: bytes(PODS[1]), startRevision: 2 + (i % 50) };
      world.hub.openStream(sink).request(createRequest(range));
    }
    const started = cpuMs();
    let slices = 0;
    let longestMs = 0;
    for (let more = true; more; slices++) {
      const begun = cpuMs();
      more = world.hub.catchUp(512);
      longestMs = Math.max(longestMs, cpuMs() - begun);
    }
    const ms = cpuMs() - started;
    console.log(
      `catch-up of 10,000 watchers by 5,000 revisions: ${ms.toFixed(0)} ms, ${slices} slices, longest ${longestMs.toFixed(1)} ms`,
    );
    expect(world.hub.stats.slowWatchers).toBe(0);
    expect(world.hub.stats.eventsSent).toBeGreaterThan(10_000 * 4900);
    expect(ms).toBeLessThan(10_000);
  });
});
