/** What has to be so when the faults are over. */
import { setTimeout as sleep } from 'node:timers/promises';
import { http } from '../support/http.ts';
import { RpcError } from '../support/raw-client.ts';
import { Ledger } from './checks/ledger.ts';
import { hold, shown } from './checks/violation.ts';
import type { FaultCluster, Member } from './cluster.ts';
import { entryOf, type History, type WatchedEvent } from './history.ts';
import { LEASED } from './traffic/leases.ts';
import { LOCKS } from './traffic/locks.ts';

const EVERYTHING = { key: '\0', range_end: Uint8Array.of(0) };
const POLL_MS = 50;

/** Every member serves a linearizable read and says that it is healthy. Returns the newest revision. */
export async function expectHealthy(cluster: FaultCluster, history: History, timeoutMs: number): Promise<number> {
  const revisions = await Promise.all(
    cluster.members.map((member) =>
      within(timeoutMs, `${member.name} is not healthy`, async () => {
        const { status, body } = await http(`http://${member.address.directEndpoint}/health`);
        if (status !== 200 || !body.includes('"health":"true"')) return undefined;
        return revisionOf(member);
      }),
    ),
  );
  const revision = Math.max(...revisions);
  history.saw(revision);
  return revision;
}

/** Nobody renews any more: all leases end, and with them their keys. Returns the revision after that. */
export async function leasesEnded(cluster: FaultCluster, history: History, revision: number): Promise<number> {
  const [member] = cluster.members;
  if (member === undefined) throw new Error('no member is left');
  const longestMs = Math.max(0, ...history.leases.map(({ ttlMs }) => ttlMs));
  // A leader that was elected just now begins anew, with an election timeout on top.
  const timeoutMs = 2 * longestMs + 10 * cluster.options.electionMs + 10_000;
  return within(timeoutMs, 'keys outlive their leases', async () => {
    let newest = revision;
    for (const prefix of [LEASED, LOCKS]) {
      const { header, kvs } = await member.client.range({ key: prefix, range_end: `${prefix}~` }, { timeoutMs: 2000 });
      newest = Math.max(newest, Number(header.revision));
      if (kvs.some(({ lease }) => lease !== 0n)) return undefined;
    }
    history.saw(newest);
    return newest;
  });
}

/** All members hold the same, by HashKV and by their whole history. */
export async function agreedLedger(cluster: FaultCluster): Promise<Ledger> {
  const revision = Math.max(...(await Promise.all(cluster.members.map(revisionOf))));
  const hashes = await Promise.all(
    cluster.members.map(async ({ client }) => (await client.hashKv(revision, { timeoutMs: 10_000 })).hash),
  );
  hold(new Set(hashes).size === 1, 'HashKV', () => `at ${revision}: ${hashes.join(' ')}`);
  const [first, ...rest] = await Promise.all(cluster.members.map((member) => wholeHistory(member, revision)));
  if (first === undefined) throw new Error('no member is left');
  for (const other of rest) {
    const at = first.findIndex((event, i) => shown(event) !== shown(other[i]));
    hold(at < 0, 'all members hold the same', () => `${shown(first[at])} and ${shown(other[at])}`);
  }
  return new Ledger(first, revision);
}

async function revisionOf({ client }: Member): Promise<number> {
  const { header } = await client.range({ key: 'any', count_only: true }, { timeoutMs: 5000 });
  return Number(header.revision);
}

async function wholeHistory({ client }: Member, revision: number): Promise<WatchedEvent[]> {
  const stream = client.watch();
  stream.send({ create_request: { ...EVERYTHING, start_revision: 1, prev_kv: true } });
  const events: WatchedEvent[] = [];
  while ((events.at(-1)?.entry.mod ?? 1) < revision) {
    const response = await stream.next(20_000);
    if (response.canceled) throw new Error(`the history is not to be had: ${response.cancel_reason}`);
    for (const { type, kv, prev_kv } of response.events) {
      events.push({ type, entry: entryOf(kv), prev: prev_kv && entryOf(prev_kv) });
    }
  }
  stream.cancel();
  return events;
}

/** Asks until there is an answer. */
async function within<T>(timeoutMs: number, complaint: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < deadlineMs) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof RpcError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      last = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`${complaint} after ${timeoutMs} ms`, { cause: last });
}
