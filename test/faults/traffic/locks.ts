import { setTimeout as sleep } from 'node:timers/promises';
import type { LockResponse } from '../../support/api-messages.ts';
import { RpcError } from '../../support/raw-client.ts';
import { text } from '../../support/values.ts';
import type { Holding, LeaseRecord } from '../history.ts';
import { grant, renew, revoke } from './leases.ts';
import type { Session } from './session.ts';

export const LOCKS = 'lock/';
/** What a lock protects: only its holder writes it, and writes its token. */
export const FENCED = 'fenced/';
const LOCK_PATIENCE_MS = 4000;
const CRITICAL_MS = 400;

/** Two kinds of lock: the server's lock service, and a key that is created under a lease. */
export function locks(session: Session): Promise<void> {
  return session.loop(async () => {
    const usesService = session.random.below(2) === 0;
    const name = usesService ? 'service' : 'plain';
    const lease = await grant(session, 3);
    try {
      const key = usesService ? await byService(session, lease) : await byCreation(session, lease);
      if (key !== undefined) await critical(session, lease, name, key);
    } finally {
      await revoke(session, lease);
    }
  });
}

async function byService(session: Session, lease: LeaseRecord): Promise<string> {
  const request = { name: `${LOCKS}service`, lease: lease.id };
  const options = { timeoutMs: LOCK_PATIENCE_MS };
  const { key } = await session.client.unary<LockResponse>('v3lockpb.Lock', 'Lock', request, options);
  // Before it is told that it has the lock, the server may give up waiting and delete the key.
  lease.keys.add(text(key));
  return text(key);
}

async function byCreation(session: Session, lease: LeaseRecord): Promise<string | undefined> {
  const key = `${LOCKS}plain`;
  lease.keys.add(key);
  const value = session.history.newValue();
  const { succeeded } = await session.guarded(
    { key, target: 'create', equals: 0 },
    { kind: 'put', key, value, lease: lease.id },
  );
  return succeeded === true ? key : undefined;
}

/** Holds the lock for a while. It is sure of it only as long as its lease certainly lives. */
async function critical(session: Session, lease: LeaseRecord, lock: string, key: string): Promise<void> {
  const { entries = [] } = await session.range({ key });
  const [entry] = entries;
  if (entry === undefined || entry.lease !== lease.id) return;
  const fromMs = performance.now();
  if (fromMs >= surelyUntil(lease)) return;
  const holding: Holding = { lock, holder: session.name, token: entry.create, fromMs, untilMs: surelyUntil(lease) };
  session.history.holdings.push(holding);
  try {
    await writeFenced(session, lease, holding, key);
  } finally {
    // From here on it lets go: its lease is revoked, and with it the key.
    holding.untilMs = Math.min(holding.untilMs, performance.now());
  }
}

async function writeFenced(session: Session, lease: LeaseRecord, holding: Holding, key: string): Promise<void> {
  const { lock, token, fromMs } = holding;
  const guard = { key, target: 'create', equals: token } as const;
  const endMs = fromMs + session.random.below(CRITICAL_MS);
  do {
    const value = `${token} ${session.history.newValue()}`;
    const { succeeded } = await session.guarded(guard, { kind: 'put', key: `${FENCED}${lock}`, value });
    if (succeeded === false) return;
    await sleep(20);
    if (await renewed(session, lease)) holding.untilMs = surelyUntil(lease);
  } while (performance.now() < endMs && !session.stopped);
}

function surelyUntil(lease: LeaseRecord): number {
  return lease.protectedFromMs + lease.ttlMs;
}

async function renewed(session: Session, lease: LeaseRecord): Promise<boolean> {
  try {
    return await renew(session, lease);
  } catch (error) {
    if (error instanceof RpcError) return false;
    throw error;
  }
}
