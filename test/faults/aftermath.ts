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

/** A full disk has raised an alarm, unless the member ended first; it stays until somebody takes it back. */
export async function disarm(cluster: FaultCluster, timeoutMs: number): Promise<void> {
  await within(timeoutMs, 'an alarm cannot be taken back', async () => {
    for (const { client } of cluster.members) {
      const { alarms } = await client.alarm({ action: 'GET', alarm: 'NOSPACE' }, { timeoutMs: 1000 });
      for (const { memberID } of alarms) {
        await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' }, { timeoutMs: 1000 });
      }
      if (alarms.length > 0) return undefined;
    }
    return true;
  });
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

/**
 * All members hold the same, by HashKV and by all of the history that they have; it is what the watch of everything got.
 * `chronicle`: that, from the first revision on; of a store that was never compacted, a member has it too.
 */
export async function agreedLedger(
  cluster: FaultCluster,
  history: History,
  chronicle?: readonly WatchedEvent[],
): Promise<Ledger> {
  const { members } = cluster;
  const revision = Math.max(...(await Promise.all(members.map(revisionOf))));
  const hashes = await Promise.all(members.map(({ client }) => client.hashKv(revision, { timeoutMs: 10_000 })));
  const told = hashes.map(({ hash, compact_revision }) => `${hash}, compacted at ${compact_revision}`);
  hold(new Set(told).size === 1, 'HashKV', () => `at ${revision}: ${told.join('; ')}`);
  // -1: never.
  const compacted = Math.max(0, Number(hashes[0]?.compact_revision));
  expectCompacted(compacted, history);
  const histories = await Promise.all(members.map((member) => historyOf(member, compacted + 1, revision)));
  const events = chronicle ?? histories[0];
  if (events === undefined) throw new Error('no member is left');
  const kept = events.filter(({ entry }) => entry.mod > compacted);
  for (const [i, own] of histories.entries()) {
    const longer = own.length > kept.length ? own : kept;
    const at = longer.findIndex((_, n) => shown(own[n]) !== shown(kept[n]));
    hold(at < 0, 'all members hold the same', () => `${members[i]?.name}: ${shown(own[at])}, not ${shown(kept[at])}`);
  }
  const ledger = new Ledger(events, revision);
  if (compacted > 0) await Promise.all(members.map((member) => expectContents(member, ledger, compacted)));
  return ledger;
}

/** The store was compacted where somebody asked for it, and wherever that was acknowledged. */
function expectCompacted(compacted: number, { compactions }: History): void {
  const isAsked = compacted === 0 || compactions.some(({ revision }) => revision === compacted);
  hold(isAsked, 'compacted without being asked', () => `at ${compacted}`);
  const lost = compactions.find(({ revision, returnMs }) => returnMs < Infinity && revision > compacted);
  hold(lost === undefined, 'a compaction acknowledged and lost', () => `${shown(lost)}, but it is at ${compacted}`);
}

/** Compaction leaves what there was at its revision. */
async function expectContents({ client, name }: Member, ledger: Ledger, revision: number): Promise<void> {
  const { kvs } = await client.range({ ...EVERYTHING, revision }, { timeoutMs: 10_000 });
  const [own, expected] = [kvs.map(entryOf), ledger.range('', '\uffff', revision)].map(shown);
  hold(own === expected, 'what there was at the compaction', () => `${name} at ${revision}: ${own}, not ${expected}`);
}

async function revisionOf({ client }: Member): Promise<number> {
  const { header } = await client.range({ key: 'any', count_only: true }, { timeoutMs: 5000 });
  return Number(header.revision);
}

async function historyOf({ client }: Member, from: number, revision: number): Promise<WatchedEvent[]> {
  const stream = client.watch();
  stream.send({ create_request: { ...EVERYTHING, start_revision: from, prev_kv: true } });
  const events: WatchedEvent[] = [];
  while ((events.at(-1)?.entry.mod ?? Math.max(1, from - 1)) < revision) {
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
