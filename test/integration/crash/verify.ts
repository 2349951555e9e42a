import type { Event } from '../../support/api-messages.ts';
import { type Change, HistoryModel } from '../../support/history-model.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { show } from '../../support/stream-inbox.ts';
import { openWatch } from '../../support/watch-helpers.ts';
import type { LoadResult, Write } from './load.ts';

export interface RoundReport {
  readonly acknowledged: number;
  /** Writes that the server had kept though their acknowledgement never arrived. */
  readonly unacknowledgedKept: number;
  readonly revision: number;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/**
 * Follows the server's history over all crashes with a model of its own. After each restart every revision that the server
 * has beyond the last check must be the effect of exactly one write that was sent, in full; every acknowledged write must be
 * among them at the revision it was told; and the store, its HashKV and its leases must be what those writes add up to.
 */
export class CrashVerifier {
  readonly model = new HistoryModel();
  readonly #leases = new Set<bigint>();

  async check(client: RawClient, load: LoadResult): Promise<RoundReport> {
    this.model.restart();
    const { header } = await client.range({ key: 'k', count_only: true });
    const acknowledged = load.writes.filter((write) => write.revision !== undefined);
    const highest = acknowledged.reduce(
      (max, write) => ((write.revision ?? 0n) > max ? (write.revision ?? 0n) : max),
      BigInt(this.model.revision),
    );
    if (header.revision < highest)
      throw new Error(`revision ${header.revision} after the restart, but ${highest} was acknowledged`);

    const kept = await this.#follow(client, load.writes, header.revision);
    await this.#compareKeys(client);
    await this.#compareHash(client, load);
    await this.#compareLeases(client, load);
    return { acknowledged: acknowledged.length, unacknowledgedKept: kept, revision: this.model.revision };
  }

  /** Explains each new revision by a write; returns how many of those had not been acknowledged. */
  async #follow(client: RawClient, writes: readonly Write[], upTo: bigint): Promise<number> {
    const byRevision = new Map<bigint, Write>();
    const unknown = new Set<Write>();
    for (const write of writes) {
      if (write.revision === undefined) unknown.add(write);
      else if (write.effective) byRevision.set(write.revision, write);
    }
    let kept = 0;
    for (const events of await this.#newRevisions(client, upTo)) {
      const revision = events[0]?.kv.mod_revision ?? 0n;
      if (revision !== BigInt(this.model.revision + 1))
        throw new Error(`revision ${revision} follows ${this.model.revision}`);
      let write = byRevision.get(revision);
      if (!write) {
        write = [...unknown].find((candidate) => this.#explains(candidate, events));
        if (!write) throw new Error(`nothing that was sent explains revision ${revision}: ${show(events)}`);
        unknown.delete(write);
        kept++;
      } else if (!this.#explains(write, events)) {
        throw new Error(`revision ${revision} was acknowledged for ${show(write)}, and holds ${show(events)}`);
      }
      byRevision.delete(revision);
      this.model.apply(this.#effective(write.changes));
      this.#expectModelled(events);
    }
    if (byRevision.size > 0) throw new Error(`acknowledged and lost: ${show([...byRevision.values()])}`);
    return kept;
  }

  /** The events after the last check, grouped by revision. */
  async #newRevisions(client: RawClient, upTo: bigint): Promise<Event[][]> {
    const from = BigInt(this.model.revision + 1);
    if (upTo < from) return [];
    const { stream } = await openWatch(client, { key: '\0', range_end: Uint8Array.of(0), start_revision: from });
    const groups: Event[][] = [];
    for (let last = 0n; last < upTo;) {
      const response = await stream.next(10_000);
      if (response.canceled) throw new Error(`the history from ${from} on is gone: ${show(response)}`);
      for (const event of response.events) {
        if (event.kv.mod_revision !== last) groups.push([]);
        groups.at(-1)?.push(event);
        last = event.kv.mod_revision;
      }
    }
    stream.cancel();
    return groups;
  }

  /** Deletions of keys that are not there change nothing. */
  #effective(changes: readonly Change[]): Change[] {
    return changes.filter((change) => 'put' in change || this.model.get(change.delete) !== undefined);
  }

  #explains(write: Write, events: readonly Event[]): boolean {
    const changes = this.#effective(write.changes);
    return (
      changes.length === events.length &&
      changes.every((change, i) => {
        const event = events[i];
        if (!event) return false;
        if ('delete' in change) return event.type === 'DELETE' && text(event.kv.key) === change.delete;
        return event.type === 'PUT' && text(event.kv.key) === change.put && text(event.kv.value) === text(change.value);
      })
    );
  }

  /** Versions and create revisions, which the write itself does not tell. */
  #expectModelled(events: readonly Event[]): void {
    for (const { type, kv } of events) {
      if (type === 'DELETE') continue;
      const expected = this.model.get(text(kv.key));
      if (show(expected) !== show(kv)) throw new Error(`event ${show(kv)}, expected ${show(expected)}`);
    }
  }

  async #compareKeys(client: RawClient): Promise<void> {
    const { kvs } = await client.range({ key: '\0', range_end: Uint8Array.of(0) });
    const expected = this.model.keys().map((key) => this.model.get(key));
    if (show(kvs) !== show(expected)) throw new Error(`the keys are ${show(kvs)}, expected ${show(expected)}`);
  }

  async #compareHash(client: RawClient, load: LoadResult): Promise<void> {
    let answer = await client.hashKv();
    const compacted = Number(answer.compact_revision);
    const acknowledged = Math.max(-1, ...load.compactions);
    if (compacted < Math.max(acknowledged, this.model.compactRevision)) {
      throw new Error(
        `compacted at ${compacted}, but ${acknowledged} was acknowledged after ${this.model.compactRevision}`,
      );
    }
    if (compacted > this.model.compactRevision) this.model.compact(compacted);
    const { hash } = this.model.hashKv();
    for (let wait = 0; answer.hash !== hash && wait < 20; wait++) {
      // The background work of the compaction may be going on.
      await new Promise((resolve) => setTimeout(resolve, 50));
      answer = await client.hashKv();
    }
    if (answer.hash !== hash) throw new Error(`HashKV is ${answer.hash} at ${this.model.revision}, expected ${hash}`);
  }

  async #compareLeases(client: RawClient, load: LoadResult): Promise<void> {
    for (const lease of load.leases) this.#leases.add(lease.id);
    const present = new Set((await client.leaseLeases()).leases.map((lease) => lease.ID));
    const lost = [...this.#leases].filter((id) => !present.has(id));
    if (lost.length > 0) throw new Error(`granted and lost: leases ${lost.join(', ')}`);
  }
}
