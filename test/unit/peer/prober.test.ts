import { afterEach, expect, test } from 'vitest';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import { TestNode, connect, expectSoon, startPair, stopAll } from './support/node.ts';

afterEach(stopAll);

test('probing tells the round trip, and that a peer is gone', async () => {
  const startedMs = performance.now();
  const [a, b] = await startPair();
  expect(a.transport.roundTrip(0xffn)).toBeUndefined();
  await expectSoon(() => (a.transport.roundTrip(b.id)?.probes ?? 0) >= 3);
  const roundTrip = a.transport.roundTrip(b.id);
  expect(roundTrip?.isHealthy).toBe(true);
  expect(roundTrip?.smoothedMs).toBeGreaterThan(0);
  expect(roundTrip?.smoothedMs).toBeLessThan(performance.now() - startedMs);
  expect(roundTrip?.lost).toBe(0);
  expect(a.metrics.get('roundTrips', 'b')).toBeGreaterThanOrEqual(2);
  await b.stop();
  await expectSoon(() => a.transport.roundTrip(b.id)?.isHealthy === false);
  expect(a.transport.roundTrip(b.id)?.lost).toBeGreaterThan(0);
});

test('probing tells how far the clocks are apart', async () => {
  const ahead = new NodeClock();
  ahead.wallMs = () => Date.now() + 60_000;
  const a = await TestNode.start({ id: 0xan });
  const b = await TestNode.start({ id: 0xbn, transport: { clock: ahead } });
  connect(a, b);
  await expectSoon(
    () => a.transport.roundTrip(b.id)?.isHealthy === true && b.transport.roundTrip(a.id)?.isHealthy === true,
  );
  expect(a.transport.roundTrip(b.id)?.clockAheadMs).toBeGreaterThan(59_000);
  expect(b.transport.roundTrip(a.id)?.clockAheadMs).toBeLessThan(-59_000);
});
