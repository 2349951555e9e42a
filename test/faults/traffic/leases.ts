import { setTimeout as sleep } from 'node:timers/promises';
import { RpcError } from '../../support/raw-client.ts';
import type { LeaseRecord } from '../history.ts';
import type { Session } from './session.ts';

export const LEASED = 'l/';
const TTL_SECONDS = 2;
const RENEW_MS = 500;
const PATIENCE_MS = 1500;

/** Grants a lease; the clock for it starts before the server can have heard of it. */
export async function grant(session: Session, ttlSeconds = TTL_SECONDS): Promise<LeaseRecord> {
  const callMs = performance.now();
  const { ID, TTL } = await session.client.leaseGrant({ TTL: ttlSeconds }, { timeoutMs: PATIENCE_MS });
  const lease: LeaseRecord = {
    id: ID,
    ttlMs: Number(TTL) * 1000,
    keys: new Set(),
    protectedFromMs: callMs,
    renewals: [],
    revokedMs: Infinity,
  };
  session.history.leases.push(lease);
  return lease;
}

/** One renewal; false: the server says that the lease is gone. */
export async function renew(session: Session, lease: LeaseRecord): Promise<boolean> {
  const stream = session.client.leaseKeepAlive();
  try {
    const callMs = performance.now();
    stream.send({ ID: lease.id });
    const { TTL } = await stream.next(PATIENCE_MS);
    if (TTL <= 0n) return false;
    const { name: member } = session.member;
    lease.renewals.push({ callMs, returnMs: performance.now(), member });
    lease.protectedFromMs = Math.max(lease.protectedFromMs, callMs);
    return true;
  } catch (error) {
    // An answer that does not come, or a stream that ends.
    if (error instanceof RpcError) throw error;
    throw new RpcError(4, String(error));
  } finally {
    stream.cancel();
  }
}

export async function revoke(session: Session, lease: LeaseRecord): Promise<void> {
  lease.revokedMs = Math.min(lease.revokedMs, performance.now());
  await session.revoke(lease.id);
}

/** Holds keys with a lease for a while, and then revokes it or forgets it. */
export function leases(session: Session): Promise<void> {
  const { random, history } = session;
  let number = 0;
  return session.loop(async () => {
    const lease = await grant(session);
    const prefix = `${LEASED}${session.name}/${++number}/`;
    for (const part of ['a', 'b']) {
      lease.keys.add(`${prefix}${part}`);
      await session.change({ kind: 'put', key: `${prefix}${part}`, value: history.newValue(), lease: lease.id });
    }
    await keepFor(session, lease, random.below(5) * 1000);
    if (random.below(2) === 0) await revoke(session, lease);
  });
}

/** Renews as a client does that wants to keep the lease, through whoever answers, until the time is over or the lease gone. */
async function keepFor(session: Session, lease: LeaseRecord, durationMs: number): Promise<void> {
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs && !session.stopped) {
    await sleep(RENEW_MS * session.random.fraction());
    try {
      if (!(await renew(session, lease))) return;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      await session.failed();
    }
  }
}
