/** Makes a plan from a seed. */
import { SeededRandom } from '../../src/base/random.ts';
import type { Action, ClientPlan, Fault, Knobs, Operation, Plan, TxnStep } from './plan.ts';

const KEYS = ['a', 'b', 'b\0', 'c', 'ca', 'd'];
const REGISTERS = ['r0', 'r1'];
const LEASED = ['l0', 'l1', 'l2'];
const RANGES: readonly (readonly [string, string])[] = [
  ['a', 'c'],
  ['b', '\0'],
  ['\0', '\0'],
  ['l', 'm'],
  ['c', 'd'],
  ['r', 's'],
  ['f', 'g'],
];
const SLOTS = 4;
const LOCKS = ['x', 'y'];

export function generate(seed: number): Plan {
  return new Generator(seed).plan();
}

class Generator {
  readonly #seed: number;
  readonly #random: SeededRandom;
  /** Of the values that are not just a few bytes. */
  #valueBytes = [300, 2000, 6000];
  /** Whether there are many keys. */
  #fills = false;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
  }

  plan(): Plan {
    const knobs = this.#knobs();
    this.#fills = this.#chance(0.25);
    if (this.#chance(0.02)) this.#valueBytes = [100_000];
    const clients: ClientPlan[] = [];
    for (let count = 2 + this.#below(4); count > 0; count--) clients.push(this.#client(knobs));
    const changesMembers = this.#chance(0.4);
    for (let count = changesMembers ? 1 + this.#below(2) : 0; count > 0; count--) clients.push(this.#operator(knobs));
    if (this.#chance(0.3)) for (let count = 2 + this.#below(2); count > 0; count--) clients.push(this.#locker(knobs));
    const faults: Fault[] = [];
    for (let count = this.#below(9); count > 0; count--) {
      const fault = this.#faultOf(knobs);
      faults.push(fault);
      if ('downMs' in fault && this.#chance(0.2)) faults.push({ ...this.#second(fault), node: fault.node ?? 0 });
    }
    if (this.#chance(0.3)) {
      const atMs = Math.round(knobs.horizonMs * this.#random.fraction() * 0.7);
      faults.push({ atMs, kind: 'partition', side: 0, forMs: 3000, oneWay: this.#chance(0.2), node: 'leader' });
    }
    if (this.#chance(0.1)) {
      const atMs = Math.round(knobs.horizonMs * this.#random.fraction() * 0.5);
      faults.push({ atMs, kind: 'pause', forMs: this.#pick([2500, 4500]), node: 'leader' });
    }
    if (changesMembers && this.#chance(0.3)) {
      const steps = 1 + this.#below(20);
      const downMs = this.#pick([1, 100, 700]);
      faults.push({ atMs: 0, kind: 'powerLossInSnapshot', steps, atStart: this.#chance(0.6), downMs });
    }
    faults.sort((a, b) => a.atMs - b.atMs);
    return { seed: this.#seed, knobs, clients, faults };
  }

  #knobs(): Knobs {
    const members = this.#chance(0.4) ? 1 : this.#chance(0.85) ? 3 : 5;
    return {
      members,
      // Several members need a second to find their leader.
      horizonMs: this.#pick(members === 1 ? [1000, 3000, 6000] : [2500, 4000, 8000]),
      electionMs: 1000,
      heartbeatMs: this.#pick([100, 200]),
      batchIntervalMs: this.#pick([5, 50, 100, 1000]),
      snapshotCount: this.#pick([3, 10, 50, 10_000]),
      catchupEntries: this.#pick([1, 5, 100]),
      segmentBytes: this.#pick([1024, 8192, 65_536]),
      walFilesMax: this.#pick([0, 1, 2, 5]),
      inlineSync: this.#chance(0.7),
      fillAhead: this.#chance(0.5),
      syncMs: this.#pick([0.1, 0.1, 2, 15]),
      commitMs: this.#pick([0.5, 5, 60]),
      lookCostMs: this.#chance(0.1) ? 2 : this.#pick([0.002, 0.05, 0.3]),
      networkMs: this.#pick([0.1, 1, 10]),
      visibleAtOnce: this.#chance(0.5),
      quotaBytes: this.#chance(0.1) ? this.#pick([24_000, 40_000]) : 0,
      requestBytesMax: 200_000,
      progressMs: this.#pick([100, 700, 600_000]),
      backlogWeight: this.#pick([1, 1, 5000, 60_000]),
      lastRestart: this.#pick(['stop', 'kill', 'powerLoss'] as const),
      strictReconfig: this.#chance(0.3),
      leaseCheckpointMs: this.#seed % 3 === 0 ? 600 : 0,
    };
  }

  /** Changes the members now and then. */
  #operator({ horizonMs }: Knobs): ClientPlan {
    const pauseMs = this.#pick([30, 300, 1000]);
    return this.#clientOf(horizonMs, this.#pick([4, 12]), pauseMs, () => this.#memberAction());
  }

  /** Takes one lock after the other. */
  #locker({ horizonMs }: Knobs): ClientPlan {
    return this.#clientOf(horizonMs, 8, 50, () => ({
      kind: 'lock',
      name: this.#pick(LOCKS),
      ttl: 1 + this.#below(3),
      workMs: this.#pick([5, 100, 900, 2500]),
      writes: 1 + this.#below(3),
      keeps: this.#chance(0.5),
    }));
  }

  #memberAction(): Action {
    const which = this.#chance(0.3) ? 'leader' : this.#below(8);
    switch (this.#below(10)) {
      case 0:
      case 1:
        return { kind: 'addMember', learner: false };
      case 2:
      case 3:
        return { kind: 'addMember', learner: true };
      case 4:
      case 5:
        return { kind: 'promoteMember' };
      case 6:
        return { kind: 'removeMember', which };
      case 7:
        return { kind: 'removeMember', which, replace: true };
      case 8:
        return { kind: 'updateMember', which: this.#below(8) };
      default:
        return { kind: 'listMembers', linearizable: this.#chance(0.6) };
    }
  }

  #client({ horizonMs }: Knobs): ClientPlan {
    return this.#clientOf(horizonMs, this.#pick([20, 60, 120]), this.#pick([2, 20, 150]), () => this.#action());
  }

  #clientOf(horizonMs: number, countMax: number, pauseMs: number, next: () => Action): ClientPlan {
    const operations: Operation[] = [];
    let atMs = 0;
    while (operations.length < countMax && atMs < horizonMs) {
      const afterMs = this.#chance(0.05) ? 1000 * this.#random.fraction() : 2 * pauseMs * this.#random.fraction();
      const rounded = Math.round(afterMs * 10) / 10;
      atMs += rounded;
      operations.push({ afterMs: rounded, ...next() });
    }
    return { operations };
  }

  #action(): Action {
    if (this.#fills && this.#chance(0.1))
      return { kind: 'fill', from: 10 * this.#below(30), count: 1 + this.#below(100) };
    const which = this.#below(100);
    if (which < 30) return this.#put();
    if (which < 38) return this.#delete();
    if (which < 46) return { kind: 'swap', key: this.#pick(REGISTERS) };
    if (which < 53) return this.#txn();
    if (which < 68) return this.#range();
    if (which < 71) return { kind: 'compact', back: this.#below(12) - 1, physical: this.#chance(0.4) };
    if (which < 83) return this.#lease();
    if (which < 91) return this.#watch();
    if (which < 92) return { kind: 'cancelWatch', watch: this.#below(4) };
    if (which < 94) return { kind: this.#chance(0.7) ? 'askProgress' : 'hangUp' };
    if (which < 97) return this.#chance(0.5) ? { kind: 'hash' } : { kind: 'hash', back: this.#below(10) };
    if (which < 98) {
      if (this.#chance(0.5)) return { kind: 'moveLeader', to: this.#below(5) };
      return { kind: this.#pick(['defragment', 'status'] as const) };
    }
    if (which < 99) {
      if (this.#chance(0.3)) return { kind: 'snapshot', giveUpMs: this.#below(30) };
      return { kind: this.#pick(['snapshot', 'leases', 'status'] as const) };
    }
    return { kind: 'disarm' };
  }

  #put(): Action {
    const base = { kind: 'put', key: this.#anyKey() } as const;
    const which = this.#below(10);
    if (which < 2) return { kind: 'put', key: this.#pick(LEASED), slot: this.#below(SLOTS) };
    if (which === 2) return { ...base, prevKv: true };
    if (which === 3 || (which > 5 && this.#valueBytes.length === 1))
      return { ...base, bytes: this.#pick(this.#valueBytes) };
    if (which === 4) return { ...base, ignoreLease: true };
    if (which === 5) return { kind: 'put', key: this.#pick(KEYS), ignoreValue: true, prevKv: true };
    return base;
  }

  #delete(): Action {
    if (this.#chance(0.7)) return { kind: 'delete', key: this.#anyKey(), prevKv: this.#chance(0.5) };
    const [key, end] = this.#fills && this.#chance(0.3) ? ['f01', 'f02'] : this.#pick(RANGES.slice(0, 2));
    // Ranges of deletes leave the registers alone: their histories are of single keys.
    return { kind: 'delete', key, end: end === '\0' ? 'q' : end, prevKv: this.#chance(0.5) };
  }

  #txn(): Action {
    const steps = (): TxnStep[] => {
      const out: TxnStep[] = [];
      const keys = [...KEYS, ...LEASED];
      for (let count = this.#below(4); count > 0; count--) {
        const [key = 'a'] = keys.splice(this.#below(keys.length), 1);
        const which = this.#below(4);
        if (which === 0) out.push({ delete: key, prevKv: this.#chance(0.5) });
        else if (which === 1) out.push({ range: key, end: this.#chance(0.5) ? '\0' : '' });
        else if (LEASED.includes(key)) out.push({ put: key, slot: this.#below(SLOTS) });
        else out.push({ put: key, prevKv: this.#chance(0.5) });
      }
      return out;
    };
    return { kind: 'txn', ifKey: this.#pick(KEYS), exists: this.#chance(0.5), success: steps(), failure: steps() };
  }

  #range(): Action {
    const [key, end] = this.#chance(0.5) ? [this.#anyKey(), ''] : this.#pick(RANGES);
    const base = { kind: 'range', key, end, serializable: this.#chance(0.3), stream: this.#chance(0.2) } as const;
    const which = this.#below(8);
    if (which < 2) return { ...base, back: this.#below(15) - 1 };
    if (which === 2) return { ...base, limit: 1 + this.#below(3) };
    if (which === 3) return { ...base, countOnly: true };
    if (which === 4 && end === '') return { kind: 'range', key: this.#pick(REGISTERS) };
    return base;
  }

  #lease(): Action {
    const slot = this.#below(SLOTS);
    const which = this.#below(12);
    if (which < 4) return { kind: 'grant', slot, ttl: 1 + this.#below(5), anyId: this.#chance(0.4) };
    if (which < 9) return { kind: 'keepAlive', slot };
    if (which < 10) return { kind: 'revoke', slot };
    return { kind: 'timeToLive', slot };
  }

  #watch(): Action {
    const [key, end] = this.#chance(0.4) ? [this.#anyKey(), ''] : this.#pick(RANGES);
    const from = this.#below(3);
    return {
      kind: 'watch',
      key,
      end,
      ...(from === 0 ? {} : { back: from === 1 ? this.#below(6) - 3 : this.#below(60) }),
      prevKv: this.#chance(0.5),
      noPut: this.#chance(0.1),
      noDelete: this.#chance(0.1),
      progress: this.#chance(0.3),
      fragment: this.#chance(0.3),
    };
  }

  #faultOf({ horizonMs, members }: Knobs): Fault {
    const fault = this.#chance(0.35) ? this.#linkFault(horizonMs, members) : this.#fault(horizonMs);
    return { ...fault, node: this.#chance(0.4) ? 'leader' : this.#below(members + 1) };
  }

  #linkFault(horizonMs: number, members: number): Fault {
    const atMs = Math.round(this.#random.fraction() * horizonMs * 10) / 10;
    const forMs = this.#pick([100, 1500, 4000]);
    switch (this.#below(4)) {
      case 0:
        return { atMs, kind: 'lossyLinks', forMs, lossEvery: this.#pick([2, 5, 20]) };
      case 1:
        return { atMs, kind: 'slowLinks', forMs, delayMs: this.#pick([50, 400, 1500]) };
      default: {
        const side = this.#chance(0.4) ? 0 : 1 + this.#below(2 ** (members + 1) - 2);
        return { atMs, kind: 'partition', side, forMs, oneWay: this.#chance(0.3) };
      }
    }
  }

  #fault(horizonMs: number): Fault {
    const atMs = Math.round(this.#random.fraction() * horizonMs * 10) / 10;
    const downMs = this.#pick([1, 100, 700]);
    const forMs = this.#pick([10, 200, 1500]);
    switch (this.#below(17)) {
      case 0:
      case 1:
        return { atMs, kind: 'powerLoss', downMs };
      case 2:
      case 3:
      case 4:
        return { atMs: this.#chance(0.1) ? 0 : atMs, kind: 'powerLossInWrite', steps: 1 + this.#below(25), downMs };
      case 5:
      case 6:
        return { atMs: this.#chance(0.1) ? 1 : atMs, kind: 'kill', downMs };
      case 7:
        return { atMs, kind: 'stop', downMs };
      case 8:
        return { atMs, kind: 'slowDisk', forMs, syncMs: this.#pick([20, 300, 1500]) };
      case 9:
        return { atMs, kind: 'slowCommit', forMs, commitMs: this.#pick([300, 3000]) };
      case 10:
        return this.#diskError(atMs, this.#pick([1, 50, 500]));
      case 11:
        return { atMs, kind: 'clockJump', byMs: this.#pick([-3_600_000, -5000, 5000, 86_400_000]) };
      case 12:
        return { atMs, kind: 'slowCpu', forMs, costMs: this.#pick([1, 8]) };
      case 14:
        return { atMs, kind: 'pause', forMs: this.#pick([50, 1200, 6000]) };
      case 13:
        return { atMs, kind: 'stuckDisk', forMs: this.#pick([500, 3000, 9000]) };
      default:
        return { atMs, kind: 'slowWatcher', forMs };
    }
  }

  /** Power is lost again while the member starts, or just after. */
  #second({ atMs, downMs }: { readonly atMs: number; readonly downMs: number }): Fault {
    const soonMs = atMs + downMs + Math.round(this.#pick([0.5, 5, 100, 200]) * this.#random.fraction() * 10) / 10;
    return { atMs: soonMs, kind: 'powerLoss', downMs: this.#pick([1, 100]) };
  }

  #diskError(atMs: number, forMs: number): Fault {
    switch (this.#below(4)) {
      case 0:
        return { atMs, kind: 'syncError', forMs };
      case 1:
        return { atMs, kind: 'writeError', forMs, bytes: this.#below(3000) };
      case 2:
        return { atMs, kind: 'createError', forMs };
      default:
        return { atMs, kind: 'commitError' };
    }
  }

  #anyKey(): string {
    const which = this.#below(10);
    return this.#pick(which < 5 ? KEYS : which < 8 ? REGISTERS : LEASED);
  }

  #below(bound: number): number {
    return this.#random.below(bound);
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T;
  }
}
