import { describe, expect, it } from 'vitest';
import { LeaderMonitor } from '../../../src/rpc/leader-monitor.ts';
import { PingPolicy } from '../../../src/rpc/ping-policy.ts';
import { parseGrpcTimeout } from '../../../src/rpc/grpc-timeout.ts';
import { ServiceRegistry } from '../../../src/rpc/service-registry.ts';
import { FakeClock } from './fake-clock.ts';

describe('parseGrpcTimeout', () => {
  it('reads every unit', () => {
    const read = ['1H', '2M', '3S', '4m', '5u', '6n', '99999999S', '0m'].map(parseGrpcTimeout);
    expect(read).toEqual([3_600_000, 120_000, 3000, 4, 0.005, 0.000006, 99_999_999_000, 0]);
  });

  it('refuses what is no timeout', () => {
    const refused = ['', 'S', '1', '1s', '-1S', '1.5S', '123456789S', ' 1S', '1S ', '1Sx'];
    expect(refused.filter((text) => parseGrpcTimeout(text) !== undefined)).toEqual([]);
  });
});

describe('PingPolicy', () => {
  it('allows two pings too many, not three', () => {
    const policy = new PingPolicy(5000);
    expect([0, 100, 200, 300].map((ms) => policy.isTooMany(ms, 1))).toEqual([false, false, false, true]);
  });

  it('has no quarrel with pings at the allowed pace', () => {
    const policy = new PingPolicy(5000);
    for (let i = 0; i < 100; i++) expect(policy.isTooMany(i * 5000, 1)).toBe(false);
  });

  it('forgives when something was sent', () => {
    const policy = new PingPolicy(5000);
    for (let i = 0; i < 100; i++) {
      expect(policy.isTooMany(i, 1)).toBe(false);
      if (i % 2 === 1) policy.onSend();
    }
  });

  it('takes the pings of a client that measures the bandwidth of a snapshot sent at once', () => {
    const policy = new PingPolicy(5000);
    for (let chunk = 0; chunk < 7; chunk++) policy.onSend();
    for (let frame = 0; frame < 14; frame++) expect(policy.isTooMany(frame / 10, 1)).toBe(false);
  });

  it('does not let what was earned once last', () => {
    const policy = new PingPolicy(5000);
    for (let message = 0; message < 10_000; message++) policy.onSend();
    expect(policy.isTooMany(0, 1)).toBe(false);
    const later = Array.from({ length: 5 }, (_, i) => policy.isTooMany(6000 + i, 1));
    expect(later).toEqual([false, false, false, true, true]);
  });

  it('wants two hours between pings while no stream is open', () => {
    const policy = new PingPolicy(5000);
    expect([0, 30_000, 60_000, 90_000].map((ms) => policy.isTooMany(ms, 0))).toEqual([false, false, false, true]);
    const patient = new PingPolicy(5000);
    expect([0, 1, 2, 3].map((n) => patient.isTooMany(n * 7_200_000, 0))).toEqual([false, false, false, false]);
  });
});

describe('LeaderMonitor', () => {
  it('reports a loss after three timeouts in a row, once, and only to who is still there', () => {
    const clock = new FakeClock();
    let hasLeader = true;
    const monitor = new LeaderMonitor(clock, 100, () => hasLeader);
    const lost: string[] = [];
    monitor.watch(() => lost.push('a'));
    const endB = monitor.watch(() => lost.push('b'));
    clock.advance(1000);
    hasLeader = false;
    clock.advance(250);
    hasLeader = true;
    clock.advance(100);
    hasLeader = false;
    clock.advance(240);
    endB();
    expect(lost).toEqual([]);
    clock.advance(20);
    expect(lost).toEqual(['a']);
    expect(clock.timers).toBe(0);
    monitor.watch(() => lost.push('c'));
    clock.advance(290);
    expect(lost).toEqual(['a']);
    clock.advance(20);
    expect(lost).toEqual(['a', 'c']);
  });
});

describe('ServiceRegistry', () => {
  const registry = new ServiceRegistry().unary('/a.B/C', (_ctx, request) => request).bidi('/a.B/D', () => {});

  it('finds methods and tells their kind', () => {
    expect(registry.find('/a.B/C')).toMatchObject({ kind: 'unary', service: 'a.B', method: 'C' });
    expect(registry.find('/a.B/D')).toMatchObject({ kind: 'bidi_stream' });
    expect(registry.find('/a.B/E')).toBeUndefined();
  });

  it('words what it does not know as grpc-go does', () => {
    expect(registry.unimplemented('/a.B/E').message).toBe('unknown method E for service a.B');
    expect(registry.unimplemented('/x.Y/E').message).toBe('unknown service x.Y');
    expect(registry.unimplemented('nonsense').message).toBe('malformed method name: "nonsense"');
  });

  it('refuses a second handler for a path, and a path that is none', () => {
    expect(() => registry.unary('/a.B/C', (_ctx, request) => request)).toThrow('registered twice');
    expect(() => registry.unary('a.B/C', (_ctx, request) => request)).toThrow('not a method path');
  });
});
