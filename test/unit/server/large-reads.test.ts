import { describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/server/caller.ts';
import { HeldBytes } from '../../../src/server/held-bytes.ts';
import { JobRunner } from '../../../src/server/job-runner.ts';
import { LargeReads, type AnswerJob } from '../../../src/server/large-reads.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** Needs so many units of work, and holds a byte for each that is done. */
class Reading implements AnswerJob<string> {
  heldBytes = 0;
  isClosed = false;
  readonly #name: string;
  #left: number;

  constructor(name: string, units: number) {
    this.#name = name;
    this.#left = units;
  }

  step(units: number): boolean {
    this.heldBytes += Math.min(units, this.#left);
    this.#left -= units;
    return this.#left <= 0;
  }

  result(): string {
    return this.#name;
  }

  close(): void {
    this.isClosed = true;
  }
}

const RUNNING_MAX = 16;

class Client implements Caller {
  readonly token = undefined;
  readonly commonName = undefined;
  cancelled = false;
  readonly peerAddress: string;

  constructor(peerAddress: string) {
    this.peerAddress = peerAddress;
  }
}

function rig(bytesMax = 1e12) {
  const clock = new ManualClock();
  // Every look at the clock takes as long as a slice may.
  clock.costMs = 1;
  const held = new HeldBytes(clock, bytesMax);
  const jobs = new JobRunner(clock, () => false);
  const reads = new LargeReads(jobs, held);
  const done: string[] = [];
  const start = (client: Client, name: string, units: number): Promise<void> =>
    reads
      .run(client, () => new Reading(name, units))
      .then(
        (result) => void done.push(result),
        (error: unknown) => void done.push(`${name}: ${error instanceof Error ? error.message : String(error)}`),
      );
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) {
      clock.advance(50);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { clock, held, jobs, done, start, settle };
}

describe('LargeReads', () => {
  it('gives short reads their answer while as many long ones as may be are under way', async () => {
    const { done, start, settle, jobs } = rig();
    const client = new Client('a');
    for (let i = 0; i < RUNNING_MAX; i++) void start(client, `long ${i}`, 1e9);
    expect(jobs.running).toBe(RUNNING_MAX);
    void start(client, 'short', 1);
    void start(client, 'another long one', 1e9);
    await settle();
    expect(done).toContain('short');
    expect(jobs.running).toBeLessThanOrEqual(RUNNING_MAX);
  });

  it('lets connections take turns, not requests', async () => {
    const { done, start, settle } = rig();
    const [greedy, modest] = [new Client('greedy'), new Client('modest')];
    for (let i = 0; i < RUNNING_MAX + 100; i++) void start(greedy, `greedy ${i}`, 70);
    void start(modest, 'modest', 70);
    for (let i = 0; i < 50 && !done.includes('modest'); i++) await settle();
    expect(done).toContain('modest');
    expect(done.indexOf('modest')).toBeLessThan(80);
  });

  it('refuses what one connection asks for beyond all measure', async () => {
    const { done, start, settle } = rig();
    const client = new Client('a');
    for (let i = 0; i < RUNNING_MAX + 300; i++) void start(client, `read ${i}`, 1e9);
    await settle();
    await settle();
    expect(done.length).toBeGreaterThan(10);
    expect(new Set(done.map((text) => text.replace(/^read \d+: /, '')))).toEqual(
      new Set(['etcdserver: too many requests']),
    );
  });

  it('ends what nobody waits for, and lets go of its memory', async () => {
    const { done, start, settle, held } = rig();
    const client = new Client('a');
    void start(client, 'gone', 1e9);
    await settle();
    expect(held.total).toBeGreaterThan(0);
    client.cancelled = true;
    await settle();
    expect(done).toEqual(['gone: context canceled']);
    expect(held.total).toBe(0);
  });

  it('has all but the oldest wait while memory is short, and the oldest too while clients hold it', async () => {
    const { done, start, settle, held } = rig(1000);
    const client = new Client('a');
    void start(client, 'oldest', 10_000);
    void start(client, 'younger', 10_000);
    held.changed(2000);
    await settle();
    expect(done).toEqual([]);
    held.changed(-2000);
    for (let i = 0; i < 50 && done.length < 2; i++) await settle();
    expect(done).toEqual(['oldest', 'younger']);
    expect(held.total).toBe(0);
  });
});
