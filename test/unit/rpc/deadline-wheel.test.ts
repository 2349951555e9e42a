import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { DeadlineWheel } from '../../../src/rpc/deadline-wheel.ts';
import { FakeClock } from './fake-clock.ts';

describe('DeadlineWheel', () => {
  it('expires each deadline once, never early and at most two slots late', () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock);
    const random = new SeededRandom(7);
    const late: number[] = [];
    for (let i = 0; i < 2000; i++) {
      const atMs = clock.monotonicMs() + random.below(30_000);
      wheel.add(atMs, () => late.push(clock.monotonicMs() - atMs));
      if (i % 10 === 0) clock.advance(random.below(40));
    }
    clock.advance(40_000);
    expect(late).toHaveLength(2000);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...late)).toBeLessThanOrEqual(32);
    expect(wheel.size).toBe(0);
  });

  it('forgets a cancelled deadline and stops its timer when nothing is left', () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock);
    const expired: string[] = [];
    const a = wheel.add(clock.monotonicMs() + 50, () => expired.push('a'));
    wheel.add(clock.monotonicMs() + 50, () => expired.push('b'));
    a.cancel();
    a.cancel();
    expect(wheel.size).toBe(1);
    clock.advance(500);
    expect(expired).toEqual(['b']);
    expect(clock.timers).toBe(0);
  });

  it('expires a deadline that has passed already soon, not after a turn of the ring', () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock);
    let expired = 0;
    wheel.add(clock.monotonicMs() + 60_000, () => {});
    clock.advance(100);
    wheel.add(clock.monotonicMs() - 500, () => expired++);
    clock.advance(40);
    expect(expired).toBe(1);
  });

  it('lets a callback cancel another one that is due at the same time', () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock);
    const expired: string[] = [];
    const atMs = clock.monotonicMs() + 20;
    const both = ['a', 'b'].map((name) =>
      wheel.add(atMs, () => {
        expired.push(name);
        for (const other of both) other.cancel();
      }),
    );
    clock.advance(100);
    expect(expired).toHaveLength(1);
  });

  it('expires everything that is due after the loop was held up for longer than the ring', () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock);
    let expired = 0;
    for (let i = 0; i < 1000; i++) wheel.add(clock.monotonicMs() + i * 17, () => expired++);
    clock.stall(20_000);
    expect(expired).toBe(1000);
  });
});
