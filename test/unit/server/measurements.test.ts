/** What the parts of the server count and time for the metrics. */
import { describe, expect, it } from 'vitest';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { MeasuredReads, type ReadKind } from '../../../src/server/measured-reads.ts';
import { Proposals } from '../../../src/server/proposals.ts';
import { ReadRounds } from '../../../src/server/read-rounds.ts';
import { RequestIds } from '../../../src/server/request-ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ClusterRig, ELECTION_MS } from './support/node-rig.ts';

const ENCODED = new Uint8Array([1]);

describe('proposals', () => {
  it('tell what became of each, and count those that were not applied', async () => {
    const proposals = new Proposals(7000);
    const ended: unknown[] = [];
    proposals.onEnded = (...what) => ended.push(what);
    const put = { kind: 'put' } as never;
    const outcomes = [1n, 2n, 3n].map((id) => proposals.add(id, put, Number(id) * 100, ENCODED));
    proposals.settle(1n, undefined, undefined);
    // Applying it failed: it was applied all the same.
    proposals.settle(2n, undefined, etcdError('NoSpace'), 250);
    proposals.expire(10_000);
    await Promise.allSettled(outcomes);
    expect(ended).toEqual([
      ['put', 100, true, undefined],
      ['put', 200, true, 250],
      ['put', 300, false, undefined],
    ]);
    expect(proposals.failures).toBe(1);
    const stopped = proposals.add(4n, put, 0, ENCODED);
    proposals.failAll(etcdError('Stopped'));
    await expect(stopped).rejects.toThrow('stopped');
    expect(proposals.failures).toBe(1);
  });
});

describe('rounds of reads', () => {
  it('count those that were too slow, and those whose leader was lost', async () => {
    const clock = new ManualClock();
    const asked: Uint8Array[] = [];
    const rounds = new ReadRounds({
      clock,
      requestIds: new RequestIds(1n, 0),
      ask: (context) => asked.push(context),
      whenApplied: (_index, done) => done(),
      timeoutMs: 7000,
    });
    const read = async (): Promise<string> => {
      const outcome = rounds.add().then(
        () => 'ok',
        (error: unknown) => String(error),
      );
      rounds.begin();
      return outcome;
    };
    const [first] = [read()];
    clock.advance(7000);
    rounds.tick(clock.nowMs);
    expect(await first).toContain('timed out');
    expect(rounds.totals).toEqual({ slow: 1, failed: 0 });
    // The answer comes when nobody waits for it.
    rounds.answered(5, asked[0] ?? new Uint8Array(0));
    expect(rounds.totals).toEqual({ slow: 2, failed: 0 });
    const second = read();
    rounds.leaderChanged();
    expect(await second).toContain('leader changed');
    expect(rounds.totals).toEqual({ slow: 2, failed: 1 });
    const third = read();
    rounds.answered(6, asked.at(-1) ?? new Uint8Array(0));
    expect(await third).toBe('ok');
    expect(rounds.totals).toEqual({ slow: 2, failed: 1 });
  });
});

describe('reads', () => {
  class Noted {
    readonly clock = new ManualClock();
    readonly seen: [string, ReadKind, number, boolean][] = [];
    readonly reads = new MeasuredReads(this.clock, {
      request: (kind, seconds, isAnswered) => this.seen.push(['request', kind, seconds, isAnswered]),
      reading: (kind, seconds, isAnswered) => this.seen.push(['reading', kind, seconds, isAnswered]),
    });
  }

  it('are timed with and without the wait for a recent state', async () => {
    const { clock, seen, reads } = new Noted();
    const slow = (): string => {
      clock.advance(2000);
      return 'answer';
    };
    expect(reads.run('Range', undefined, slow)).toBe('answer');
    let ready = (): void => {};
    const recent = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const answer = reads.run('ReadonlyTxn', recent, slow);
    clock.advance(3000);
    ready();
    expect(await answer).toBe('answer');
    expect(seen).toEqual([
      ['request', 'Range', 2, true],
      ['reading', 'Range', 2, true],
      ['request', 'ReadonlyTxn', 5, true],
      ['reading', 'ReadonlyTxn', 2, true],
    ]);
  });

  it('of a moment are counted, and cost no look at the clock', () => {
    const { clock, seen, reads } = new Noted();
    clock.monotonicMs = () => {
      throw new Error('looked at');
    };
    expect(reads.atOnce('Range', () => 'answer')).toBe('answer');
    const fail = (): never => {
      throw etcdError('Compacted');
    };
    expect(() => reads.atOnce('Range', fail)).toThrow('compacted');
    expect(seen).toEqual([
      ['request', 'Range', 0, true],
      ['reading', 'Range', 0, true],
      ['request', 'Range', 0, false],
      ['reading', 'Range', 0, false],
    ]);
  });

  it('that fail are timed too, wherever they do', async () => {
    const { seen, reads } = new Noted();
    const fail = (): never => {
      throw etcdError('Compacted');
    };
    expect(() => reads.run('Range', undefined, fail)).toThrow('compacted');
    await expect(reads.run('Range', undefined, () => Promise.reject(etcdError('FutureRev')))).rejects.toThrow('future');
    await expect(reads.run('Range', Promise.reject(etcdError('Timeout')), () => 1)).rejects.toThrow('timed out');
    expect(seen.map(([what, , , isAnswered]) => [what, isAnswered])).toEqual([
      ['request', false],
      ['reading', false],
      ['request', false],
      ['reading', false],
      ['request', false],
    ]);
  });
});

describe('a member', () => {
  it('counts the leaders that it has come to know', async () => {
    const cluster = new ClusterRig(3);
    const changes = (): number[] => [1, 2, 3].map((id) => cluster.member(id).node.leaderChanges);
    await cluster.elect(1);
    await cluster.advance(ELECTION_MS);
    expect(changes()).toEqual([1, 1, 1]);
    cluster.member(1).node.transferLeader(2n);
    await cluster.advance(ELECTION_MS);
    expect(changes()).toEqual([2, 2, 2]);
  });
});
