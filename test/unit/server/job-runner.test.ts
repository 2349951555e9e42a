import { describe, expect, it } from 'vitest';
import type { Job } from '../../../src/ports/job.ts';
import { JobRunner } from '../../../src/server/job-runner.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** Needs `units` units of work; tells what it did. */
class CountingJob implements Job<string> {
  readonly name: string;
  readonly log: string[];
  left: number;
  closed = 0;

  constructor(name: string, units: number, log: string[] = []) {
    this.name = name;
    this.left = units;
    this.log = log;
  }

  step(units: number): boolean {
    if (this.left === Infinity) throw new Error(`${this.name} broke`);
    this.log.push(this.name);
    this.left -= units;
    return this.left <= 0;
  }

  result(): string {
    return `${this.name} done`;
  }

  close(): void {
    this.closed++;
  }
}

describe('JobRunner', () => {
  it('ends a small job within the call, and closes it', async () => {
    const runner = new JobRunner(new ManualClock(), () => false);
    const job = new CountingJob('small', 10);
    const result = runner.run(job);
    expect([job.left <= 0, job.closed, runner.running]).toEqual([true, 1, 0]);
    expect(await result).toBe('small done');
  });

  it('lets long jobs take turns, a slice each', async () => {
    const clock = new ManualClock();
    clock.costMs = 1;
    const runner = new JobRunner(clock, () => false);
    const log: string[] = [];
    const [a, b] = [runner.run(new CountingJob('a', 1000, log)), runner.run(new CountingJob('b', 1000, log))];
    expect(runner.running).toBe(2);
    clock.advance(10_000);
    expect(await Promise.all([a, b])).toEqual(['a done', 'b done']);
    const changes = log.filter((name, at) => at > 0 && name !== log[at - 1]).length;
    expect(changes).toBeGreaterThan(4);
  });

  it('closes what is under way when it stops, and whatever comes later', async () => {
    const clock = new ManualClock();
    clock.costMs = 1;
    const runner = new JobRunner(clock, () => false);
    const jobs = [new CountingJob('under way', 1_000_000), new CountingJob('late', 10)] as const;
    const first = runner.run(jobs[0]);
    runner.stop();
    await expect(first).rejects.toThrow('etcdserver: server stopped');
    await expect(runner.run(jobs[1])).rejects.toThrow('etcdserver: server stopped');
    expect(jobs.map(({ closed }) => closed)).toEqual([1, 1]);
    clock.advance(10_000);
    expect(jobs[0].left).toBeGreaterThan(0);
    expect(jobs[1].left).toBe(10);
  });

  it('makes slices shorter while others are waiting', () => {
    const turns = (areOthersWaiting: boolean): number => {
      const clock = new ManualClock();
      clock.costMs = 0.05;
      let count = 0;
      const soon = clock.soon.bind(clock);
      clock.soon = (run) => {
        count++;
        soon(run);
      };
      void new JobRunner(clock, () => areOthersWaiting).run(new CountingJob('long', 50_000_000));
      clock.advance(10_000);
      return count;
    };
    expect(turns(true)).toBeGreaterThan(3 * turns(false));
    expect(turns(false)).toBeGreaterThan(10);
  });

  it('rejects with what a job throws, and closes it once', async () => {
    const runner = new JobRunner(new ManualClock(), () => false);
    const job = new CountingJob('bad', Infinity);
    await expect(runner.run(job)).rejects.toThrow('bad broke');
    expect(job.closed).toBe(1);
  });

  it('leaves a blocked job alone and goes on with others', async () => {
    const clock = new ManualClock();
    clock.costMs = 1;
    const runner = new JobRunner(clock, () => false);
    let blocked = true;
    const log: string[] = [];
    const waiting = runner.run(new CountingJob('waiting', 500, log), () => blocked);
    const free = runner.run(new CountingJob('free', 500, log));
    clock.advance(5000);
    expect(await free).toBe('free done');
    expect(log).not.toContain('waiting');
    blocked = false;
    clock.advance(5000);
    expect(await waiting).toBe('waiting done');
  });
});
