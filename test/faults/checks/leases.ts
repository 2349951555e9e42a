/** No lease ends before its time, none lives on without end, and no two hold a lock. */
import type { Holding, History, LeaseRecord } from '../history.ts';
import type { Ledger } from './ledger.ts';
import { FENCED } from '../traffic/locks.ts';
import { hold, shown } from './violation.ts';

/** Returns how many keys were seen to end with their leases. */
export function checkLeases(history: History, ledger: Ledger): number {
  const byKey = new Map<string, LeaseRecord[]>();
  for (const lease of history.leases) {
    for (const key of lease.keys) byKey.set(key, [...(byKey.get(key) ?? []), lease]);
  }
  let ended = 0;
  for (const { type, entry, prev } of ledger.events) {
    const lease = byKey.get(entry.key)?.find(({ id }) => id === prev?.lease);
    if (type !== 'DELETE' || lease === undefined) continue;
    ended++;
    const knownMs = history.knownMs(entry.mod);
    // Asked for before anybody knew of the deletion: that may have been it.
    if (lease.revokedMs < knownMs) continue;
    const aliveUntilMs = lease.protectedFromMs + lease.ttlMs;
    hold(knownMs >= aliveUntilMs, 'a lease ended early', () => {
      return `${entry.key} was deleted at revision ${entry.mod}, known at ${knownMs}, alive until ${aliveUntilMs}: ${shown(lease)}`;
    });
  }
  return ended;
}

/** Returns how many times locks were held. */
export function checkLocks(history: History, ledger: Ledger): number {
  const locks = new Set(history.holdings.map(({ lock }) => lock));
  for (const lock of locks) {
    expectOneHolder(history.holdings.filter((holding) => holding.lock === lock));
    expectFenced(lock, ledger);
  }
  return history.holdings.length;
}

function expectOneHolder(holdings: readonly Holding[]): void {
  const sorted = holdings.toSorted((a, b) => a.fromMs - b.fromMs);
  for (const [i, holding] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next === undefined) continue;
    hold(holding.untilMs <= next.fromMs, 'two hold a lock', () => `${shown(holding)} and ${shown(next)}`);
    hold(holding.token < next.token, 'tokens grow', () => `${shown(holding)} and ${shown(next)}`);
  }
}

/** Whoever lost the lock cannot write after the next holder has. */
function expectFenced(lock: string, ledger: Ledger): void {
  let newest = 0;
  for (const { entry } of ledger.events) {
    if (entry.key !== `${FENCED}${lock}`) continue;
    const token = Number(entry.value.split(' ')[0]);
    hold(token >= newest, 'fencing', () => `${shown(entry)} after a write with token ${newest}`);
    newest = token;
  }
}
