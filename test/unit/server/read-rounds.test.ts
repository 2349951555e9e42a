import { describe, expect, test } from 'vitest';
import { ReadRounds } from '../../../src/server/read-rounds.ts';
import { RequestIds } from '../../../src/server/request-ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const TIMEOUT_MS = 7000;

class World {
  readonly clock = new ManualClock();
  /** What the leader was asked, oldest first. */
  readonly asked: Uint8Array[] = [];
  applied = 0;
  readonly #waiting: { index: number; done: () => void }[] = [];
  readonly rounds = new ReadRounds({
    clock: this.clock,
    requestIds: new RequestIds(1n, 1_700_000_000_000),
    ask: (context) => this.asked.push(context),
    whenApplied: (index, done) => {
      if (index <= this.applied) done();
      else this.#waiting.push({ index, done });
    },
    timeoutMs: TIMEOUT_MS,
  });

  /** A read; its outcome fills in. */
  read(): { text: string } {
    const outcome = { text: 'waiting' };
    this.rounds.add().then(
      () => (outcome.text = 'ok'),
      (error: unknown) => (outcome.text = String(error).replace('EtcdError: etcdserver: ', '')),
    );
    return outcome;
  }

  async tick(ms: number): Promise<void> {
    this.clock.advance(ms);
    this.rounds.tick(this.clock.nowMs);
    await this.settle();
  }

  answer(at: number, index: number): void {
    const context = this.asked[at];
    if (context !== undefined) this.rounds.answered(index, context);
  }

  apply(index: number): void {
    this.applied = index;
    for (const waiter of this.#waiting.filter((other) => other.index <= index)) waiter.done();
  }

  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

describe('rounds of reads', () => {
  test('share one question; a later read asks anew, for the answer to the first may be too old for it', async () => {
    const world = new World();
    const early = [world.read(), world.read()];
    world.rounds.begin();
    const late = world.read();
    world.answer(0, 0);
    await world.settle();
    expect([...early, late].map(({ text }) => text)).toEqual(['ok', 'ok', 'waiting']);
    world.rounds.begin();
    expect(world.asked.length).toBe(2);
    world.answer(1, 0);
    await world.settle();
    expect(late.text).toBe('ok');
  });

  test('an answer makes them wait until its index is applied', async () => {
    const world = new World();
    const read = world.read();
    world.rounds.begin();
    world.answer(0, 5);
    world.apply(4);
    await world.settle();
    expect(read.text).toBe('waiting');
    world.apply(5);
    await world.settle();
    expect(read.text).toBe('ok');
  });

  test('ask again every 500 ms, under another name; any of the answers will do, once', async () => {
    const world = new World();
    const read = world.read();
    world.rounds.begin();
    await world.tick(499);
    expect(world.asked.length).toBe(1);
    await world.tick(1);
    await world.tick(500);
    expect(new Set(world.asked.map((context) => context.join())).size).toBe(3);
    world.answer(1, 0);
    world.answer(0, 9);
    world.answer(2, 9);
    await world.settle();
    expect(read.text).toBe('ok');
    await world.tick(1000);
    expect(world.asked.length).toBe(3);
  });

  test('time out, unanswered or with an index that is not applied', async () => {
    const world = new World();
    const unanswered = world.read();
    world.rounds.begin();
    const answered = world.read();
    world.rounds.begin();
    world.answer(1, 100);
    await world.tick(TIMEOUT_MS - 1);
    expect([unanswered.text, answered.text]).toEqual(['waiting', 'waiting']);
    await world.tick(1);
    expect([unanswered.text, answered.text]).toEqual(['request timed out', 'request timed out']);
    // Neither is asked about again, nor is anybody told twice.
    world.apply(100);
    const asked = world.asked.length;
    await world.tick(1000);
    expect(world.asked.length).toBe(asked);
  });

  test('end when another leads; what was answered by then stands', async () => {
    const world = new World();
    const answered = world.read();
    world.rounds.begin();
    world.answer(0, 3);
    const unanswered = world.read();
    world.rounds.begin();
    const waiting = world.read();
    world.rounds.leaderChanged();
    world.apply(3);
    // The former leader's answer comes late.
    world.answer(1, 3);
    await world.settle();
    expect([answered.text, unanswered.text, waiting.text]).toEqual(['ok', 'leader changed', 'waiting']);
    world.rounds.begin();
    world.answer(2, 3);
    await world.settle();
    expect(waiting.text).toBe('ok');
  });

  test('are limited: what comes while eight are under way shares the ninth', async () => {
    const world = new World();
    const reads = Array.from({ length: 20 }, () => {
      const read = world.read();
      world.rounds.begin();
      return read;
    });
    expect(world.asked.length).toBe(8);
    world.answer(0, 0);
    world.rounds.begin();
    expect(world.asked.length).toBe(9);
    for (let at = 1; at < 9; at++) world.answer(at, 0);
    await world.settle();
    expect(reads.every(({ text }) => text === 'ok')).toBe(true);
  });

  test('so are the reads, and room comes back with every way they end', async () => {
    const world = new World();
    const fill = (count: number): Promise<void>[] => Array.from({ length: count }, () => world.rounds.add());
    const answered = fill(65_536 - 30);
    world.rounds.begin();
    const expired = fill(10);
    world.rounds.begin();
    world.answer(1, 1000);
    world.clock.advance(1);
    const lost = fill(20);
    await expect(world.rounds.add()).rejects.toThrow('too many requests');
    world.answer(0, 0);
    world.rounds.begin();
    world.rounds.leaderChanged();
    world.clock.advance(TIMEOUT_MS - 1);
    world.rounds.tick(world.clock.nowMs);
    const outcomes = await Promise.allSettled([...answered, ...expired, ...lost]);
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBe(30);
    void fill(65_536);
    await expect(world.rounds.add()).rejects.toThrow('too many requests');
  });

  test('malformed and unknown answers are nobody’s', async () => {
    const world = new World();
    const read = world.read();
    world.rounds.begin();
    world.rounds.answered(0, new Uint8Array(0));
    world.rounds.answered(0, new Uint8Array(9));
    world.rounds.answered(0, new Uint8Array(8));
    await world.settle();
    expect(read.text).toBe('waiting');
  });

  test('a stop ends all of them', async () => {
    const world = new World();
    const reads = [world.read()];
    world.rounds.begin();
    world.answer(0, 50);
    reads.push(world.read());
    world.rounds.begin();
    reads.push(world.read());
    world.rounds.stop();
    world.apply(50);
    world.answer(1, 50);
    await world.settle();
    expect(reads.map(({ text }) => text)).toEqual(['server stopped', 'server stopped', 'server stopped']);
  });
});
