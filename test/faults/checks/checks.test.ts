/** The checks can fail: a good history passes, and each way in which it may be spoilt is found by the right rule. */
import { describe, expect, test } from 'vitest';
import { type Answer, type Entry, History, type Operation, type Request, type WatchedEvent } from '../history.ts';
import { check } from '../round.ts';
import { Ledger } from './ledger.ts';
import { checkSingleKeys } from './single-keys.ts';
import { Violation } from './violation.ts';

function entry(key: string, value: string, mod: number, create = mod, version = 1, lease = 0n): Entry {
  return { key, value, create, mod, version, lease };
}

const A1 = entry('r/0', 'v1', 2);
const A2 = entry('r/0', 'v2', 3, 2, 2);
const B1 = entry('l/x', 'v3', 5, 5, 1, 77n);
const GONE_A: Entry = { key: 'r/0', value: '', create: 0, mod: 4, version: 0, lease: 0n };
const GONE_B: Entry = { ...GONE_A, key: 'l/x', mod: 6 };

const EVENTS: readonly WatchedEvent[] = [
  { type: 'PUT', entry: A1, prev: undefined },
  { type: 'PUT', entry: A2, prev: A1 },
  { type: 'DELETE', entry: GONE_A, prev: A2 },
  { type: 'PUT', entry: B1, prev: undefined },
  { type: 'DELETE', entry: GONE_B, prev: B1 },
];

const put = (key: string, value: string, lease?: bigint): Request => {
  return {
    kind: 'change',
    change: lease === undefined ? { kind: 'put', key, value } : { kind: 'put', key, value, lease },
  };
};
const swap = (key: string, equals: number, value: string): Request => {
  return { kind: 'guarded', guard: { key, target: 'mod', equals }, change: { kind: 'put', key, value } };
};
const read = (key: string): Request => ({ kind: 'range', key });
const remove = (key: string): Request => ({ kind: 'change', change: { kind: 'delete', key } });

class Story {
  readonly history = new History();

  tell(callMs: number, returnMs: number, request: Request, answer?: Answer): this {
    const operation = this.history.begin('c', 'm1', request);
    this.history.operations.splice(-1, 1, { ...operation, callMs, returnMs: answer ? returnMs : Infinity, answer });
    return this;
  }
}

/** Of the events above, as two clients and a watch see it. */
function good(): History {
  const one = { count: 1, more: false };
  const { history } = new Story()
    .tell(0, 1, put('r/0', 'v1'), { revision: 2 })
    .tell(2, 3, read('r/0'), { revision: 2, entries: [A1], ...one })
    .tell(4, 9, swap('r/0', 2, 'v2'))
    .tell(10, 11, read('r/0'), { revision: 3, entries: [A2], ...one })
    .tell(12, 13, swap('r/0', 2, 'v9'), { revision: 3, succeeded: false, entries: [A2] })
    .tell(14, 15, remove('r/0'), { revision: 4, deleted: 1 })
    .tell(16, 17, read('r/0'), { revision: 4, entries: [], count: 0, more: false })
    .tell(100, 101, put('l/x', 'v3', 77n), { revision: 5 });
  history.leases.push({
    id: 77n,
    ttlMs: 2000,
    keys: new Set(['l/x']),
    protectedFromMs: 99,
    renewals: [],
    revokedMs: Infinity,
  });
  history.seen.push({ atMs: 1, revision: 2 }, { atMs: 11, revision: 3 }, { atMs: 101, revision: 5 });
  history.seen.push({ atMs: 2200, revision: 6 });
  history.watches.push({
    name: 'w',
    key: 'r/',
    end: 'r0',
    prevKv: true,
    fromRevision: 1,
    deliveries: [
      { kind: 'resumed', revision: 1, member: 'm1' },
      { kind: 'events', events: EVENTS.slice(0, 2), revision: 3, member: 'm1' },
      { kind: 'resumed', revision: 4, member: 'm2' },
      { kind: 'events', events: EVENTS.slice(2, 3), revision: 4, member: 'm2' },
      { kind: 'progress', revision: 6, member: 'm2' },
    ],
  });
  history.holdings.push(
    { lock: 'plain', holder: 'one', token: 10, fromMs: 0, untilMs: 50 },
    { lock: 'plain', holder: 'two', token: 12, fromMs: 60, untilMs: 70 },
  );
  return history;
}

function verdict(spoil: (history: History) => void, events = EVENTS, revision = 6): string {
  const history = good();
  spoil(history);
  try {
    check(history, new Ledger(events, revision));
    return 'good';
  } catch (error) {
    if (error instanceof Violation) return error.rule;
    throw error;
  }
}

function alter(at: number, answer: Partial<Answer>, times: { callMs?: number; returnMs?: number } = {}) {
  return (history: History): void => {
    const operation = history.operations[at];
    if (operation?.answer === undefined) throw new Error(`operation ${at} has no answer`);
    history.operations[at] = { ...operation, ...times, answer: { ...operation.answer, ...answer } };
  };
}

function deliver(at: number, count: number, ...instead: History['watches'][number]['deliveries']) {
  return (history: History): void => {
    history.watches[0]?.deliveries.splice(at, count, ...instead);
  };
}

describe('a history', () => {
  test('that is good passes, an operation of which nobody knows included', () => {
    expect(verdict(() => {})).toBe('good');
  });

  test('with an acknowledged write that is not there', () => {
    const lost = (history: History): void => {
      const operation = history.begin('c', 'm1', put('r/1', 'v4'));
      history.end(operation, { revision: 4 });
    };
    expect(verdict(lost)).toBe('acknowledged and lost');
  });

  test('with a write that nobody made, or one that was made twice', () => {
    expect(verdict((history) => history.operations.splice(2, 1))).toBe('nobody wrote it, or it was written twice');
    const twice = entry('r/0', 'v1', 7);
    const events = [...EVENTS, { type: 'PUT', entry: twice, prev: undefined } as const];
    expect(verdict(() => {}, events, 7)).toBe('nobody wrote it, or it was written twice');
  });

  test('with a deletion that nobody asked for', () => {
    expect(verdict((history) => history.operations.splice(5, 1))).toBe('nobody deleted it, or it was deleted twice');
  });

  test('with an answer that is older than what somebody knew', () => {
    expect(verdict(alter(3, { revision: 2, entries: [A1] }, { callMs: 18, returnMs: 19 }))).toBe('a stale answer');
  });

  test('with an answer that does not fit its revision', () => {
    expect(verdict(alter(3, { entries: [A1] }))).toBe('an answer');
    expect(verdict(alter(3, { entries: [] }))).toBe('an answer');
    expect(verdict(alter(3, { count: 2 }))).toBe('count and more');
    const nothingDeleted = (history: History): void => {
      history.end(history.begin('c', 'm1', remove('l/x')), { revision: 5, deleted: 0 });
      alter(8, {}, { callMs: 102, returnMs: 103 })(history);
    };
    expect(verdict(nothingDeleted)).toBe('a deletion');
    expect(verdict(alter(4, { succeeded: true, revision: 3 }))).toBe('acknowledged and lost');
    expect(verdict(alter(6, { revision: 9 }))).toBe('a revision that does not exist');
  });

  test('with a guard that was not heeded', () => {
    const heedless = (history: History): void => {
      history.operations.splice(2, 1);
      history.end(history.begin('c', 'm1', swap('r/0', 1, 'v2')), { revision: 3, succeeded: true });
    };
    expect(verdict(heedless)).toBe('a guard');
  });

  test('with a write that came about before it was asked for', () => {
    const operationsLater = (history: History): void => {
      const [first] = history.operations.splice(2, 1);
      if (first !== undefined) history.operations.push({ ...first, callMs: 12 });
    };
    expect(verdict(operationsLater)).toBe('a write before it was asked for');
  });

  test('whose values cannot be put in order, whatever the revisions say', () => {
    expect(checkSingleKeys(good())).toBe(7);
    const late = good();
    alter(6, {}, { callMs: 7, returnMs: 8 })(late);
    expect(() => checkSingleKeys(late)).toThrow('linearizability: r/0');
  });
});

describe('a read of the past', () => {
  const past = (revision: number, callMs: number): Operation => {
    const { history } = new Story().tell(
      callMs,
      callMs + 1,
      { kind: 'range', key: 'r/0', revision },
      { revision: 5, entries: [A1], count: 1, more: false },
    );
    return history.operations[0] as Operation;
  };
  const compacted = (revision: number, returnMs: number) => ({ revision, callMs: 102, returnMs });

  test('that is answered although its revision was compacted', () => {
    const late = (history: History): void => {
      history.compactions.push(compacted(3, 103));
      history.operations.push(past(2, 104));
    };
    expect(verdict(late)).toBe('compacted, and answered');
  });

  test('may be answered at the compaction, before it, and while nobody knows of it', () => {
    const inTime = (history: History): void => {
      history.compactions.push(compacted(2, 103), compacted(3, 110), compacted(4, Infinity));
      history.operations.push(past(2, 104), past(2, 109));
    };
    expect(verdict(inTime)).toBe('good');
  });

  test('that is refused although nobody asked for a compaction', () => {
    const refused = (asked: number) => (history: History) => {
      history.compactions.push(compacted(asked, 103));
      const error = '11 etcdserver: mvcc: required revision has been compacted';
      history.operations.push({ ...past(2, 104), answer: undefined, returnMs: Infinity, error });
    };
    expect(verdict(refused(2))).toBe('compacted without being asked');
    expect(verdict(refused(3))).toBe('good');
  });
});

describe('a watch', () => {
  test('that misses an event', () => {
    expect(verdict(deliver(3, 1))).toBe('a bookmark comes after all events');
    expect(verdict(deliver(3, 2))).toBe('a watch gets everything');
    expect(verdict(deliver(1, 1))).toBe('a watch has no gap');
  });

  test('that gets an event twice, or in the wrong order', () => {
    const again = { kind: 'events', events: EVENTS.slice(2, 3), revision: 4, member: 'm2' } as const;
    expect(verdict(deliver(4, 0, again))).toBe('events in order, once each');
    const reversed = { kind: 'events', events: EVENTS.slice(0, 2).toReversed(), revision: 3, member: 'm1' } as const;
    expect(verdict(deliver(1, 1, reversed))).toBe('events in order, once each');
  });

  test('that gets a wrong previous value', () => {
    const [first, second] = EVENTS as [WatchedEvent, WatchedEvent];
    const without = {
      kind: 'events',
      events: [first, { ...second, prev: undefined }],
      revision: 3,
      member: 'm1',
    } as const;
    expect(verdict(deliver(1, 1, without))).toBe('prev_kv');
  });
});

describe('a lease', () => {
  test('that ends before its time', () => {
    const early = (history: History): void => {
      history.seen.splice(-1, 1, { atMs: 2000, revision: 6 });
    };
    expect(verdict(early)).toBe('a lease ended early');
  });

  test('that is renewed when it is over', () => {
    const late = (history: History): void => {
      const [lease] = history.leases;
      if (lease !== undefined) lease.protectedFromMs = 2190;
    };
    expect(verdict(late)).toBe('a lease ended early');
  });

  test('that was revoked may end at once', () => {
    const revoked = (history: History): void => {
      history.seen.splice(-1, 1, { atMs: 150, revision: 6 });
      const [lease] = history.leases;
      if (lease !== undefined) lease.revokedMs = 140;
    };
    expect(verdict(revoked)).toBe('good');
  });
});

describe('a lock', () => {
  test('that two hold, or whose tokens do not grow', () => {
    const overlap = { lock: 'plain', holder: 'three', token: 13, fromMs: 65, untilMs: 80 };
    expect(verdict((history) => history.holdings.push(overlap))).toBe('two hold a lock');
    expect(verdict((history) => history.holdings.push({ ...overlap, token: 11, fromMs: 75 }))).toBe('tokens grow');
  });

  test('whose last holder still writes', () => {
    const events: WatchedEvent[] = [12, 10].map((token, i) => {
      const now = entry('fenced/plain', `${token} v${10 + i}`, 7 + i, 7, 1 + i);
      const before = i === 0 ? undefined : entry('fenced/plain', '12 v10', 7);
      return { type: 'PUT', entry: now, prev: before };
    });
    const writes = (history: History): void => {
      history.begin('c', 'm1', put('fenced/plain', '12 v10'));
      history.begin('c', 'm1', put('fenced/plain', '10 v11'));
    };
    expect(verdict(writes, [...EVENTS, ...events], 8)).toBe('fencing');
  });
});

describe('a ledger', () => {
  test('has no gap, and versions and previous values that follow from each other', () => {
    const rule = (events: readonly WatchedEvent[], revision = 6): string => verdict(() => {}, events, revision);
    expect(rule(EVENTS.toSpliced(1, 1))).toBe('history without gaps');
    expect(rule(EVENTS, 7)).toBe('history without gaps');
    expect(rule(EVENTS.with(1, { type: 'PUT', entry: { ...A2, version: 3 }, prev: A1 }))).toBe('versions');
    expect(rule(EVENTS.with(1, { type: 'PUT', entry: A2, prev: undefined }))).toBe('prev_kv');
  });
});
