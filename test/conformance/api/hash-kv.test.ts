import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { HistoryModel } from '../../support/history-model.ts';
import { describeTargets, type TargetGetter } from '../../support/target.ts';

const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

/** Writes to the server and the model alike. */
class Both {
  readonly model = new HistoryModel();
  readonly #target: TargetGetter;

  constructor(target: TargetGetter) {
    this.#target = target;
  }

  async put(key: string, value: string, lease?: bigint): Promise<void> {
    await this.#target().client.put({ key, value, lease: lease ?? 0 });
    this.model.apply([{ put: key, value: bytes(value), lease: lease ?? 0n }]);
  }

  async delete(key: string): Promise<void> {
    await this.#target().client.deleteRange({ key });
    this.model.apply([{ delete: key }]);
  }

  async compact(revision: number): Promise<void> {
    await this.#target().client.compact({ revision, physical: true });
    this.model.compact(revision);
  }

  async expectEqual(revision = 0): Promise<void> {
    const { client } = this.#target();
    const answer = await client.hashKv(revision);
    const { hash, compactRevision } = this.model.hashKv(revision);
    expect({ revision, hash: answer.hash, compacted: answer.compact_revision }).toEqual({
      revision,
      hash,
      compacted: BigInt(compactRevision),
    });
    expect(answer.header.revision).toBe(BigInt(this.model.revision));
    if (this.#target().atLeast('3.6')) expect(answer.hash_revision).toBe(BigInt(revision || this.model.revision));
  }
}

describeTargets('HashKV', (target) => {
  const both = new Both(target);

  it('of an empty store is the checksum of the bucket name, and nothing is compacted', async () => {
    await both.expectEqual();
  });

  it('covers puts, changes, deletes, leases and empty values', async () => {
    const { ID } = await target().client.leaseGrant({ TTL: 100, ID: 2n ** 62n + 1n });
    await both.put('a', '1');
    await both.put('b', '');
    await both.put('a', '2', ID);
    await both.delete('b');
    await both.put('b', 'x'.repeat(5000));
    await both.expectEqual();
  });

  it('covers transactions with their sub-revisions', async () => {
    await target().client.txn({
      success: [
        { request_put: { key: 't2', value: '2' } },
        { request_delete_range: { key: 'a', range_end: 'c' } },
        { request_put: { key: 't1', value: '1' } },
      ],
    });
    both.model.apply([
      { put: 't2', value: bytes('2') },
      { delete: 'a' },
      { delete: 'b' },
      { put: 't1', value: bytes('1') },
    ]);
    await both.expectEqual();
  });

  it('is computed at any readable revision', async () => {
    for (let revision = 1; revision <= both.model.revision; revision++) await both.expectEqual(revision);
  });

  it('does not depend on when it is asked for', async () => {
    const { revision } = both.model;
    const before = (await target().client.hashKv(revision)).hash;
    await both.put('later', 'v');
    expect((await target().client.hashKv(revision)).hash).toBe(before);
  });

  it('after a compaction covers what was kept', async () => {
    await both.put('dead', '1');
    await both.delete('dead');
    for (let i = 0; i < 5; i++) await both.put('often', `${i}`);
    await both.compact(both.model.revision - 2);
    await both.expectEqual();
    for (let back = 2; back >= 0; back--) await both.expectEqual(both.model.revision - back);
    await both.put('often', 'again');
    await both.expectEqual();
  });

  it('after a compaction exactly at a deletion leaves the tombstone out', async () => {
    await both.put('gone', '1');
    await both.delete('gone');
    await both.compact(both.model.revision);
    await both.expectEqual();
    await both.put('gone', '2');
    await both.expectEqual();
    await both.expectEqual(both.model.revision - 1);
  });

  it('of a compacted store without any key', async () => {
    for (const key of both.model.keys()) await both.delete(key);
    await both.compact(both.model.revision);
    await both.expectEqual();
  });

  it('at the revision of a compaction answers what the compaction computed on its way, for the last ten of them', async () => {
    for (let i = 0; i < 12; i++) {
      await both.put('round', `${i}`);
      await both.put(`round${i % 3}`, `${i}`);
      if (i % 2 === 1) await both.delete(`round${(i + 1) % 3}`);
      await both.compact(both.model.revision);
      await both.expectEqual(both.model.revision);
      await both.expectEqual();
    }
  });

  it('of a negative revision covers nothing', async () => {
    const { hash } = new HistoryModel().hashKv();
    for (const revision of [-1, -1000]) expect((await target().client.hashKv(revision)).hash).toBe(hash);
  });

  it('refuses compacted and future revisions', async () => {
    const { client } = target();
    await expectError(client.hashKv(both.model.compactRevision - 1), 'Compacted');
    await expectError(client.hashKv(both.model.revision + 1), 'FutureRev');
  });

  it('survives a restart unchanged', async () => {
    await both.put('z', 'last');
    const { client, server } = target();
    await server.kill();
    await server.restart();
    await client.ready();
    both.model.restart();
    await both.expectEqual(both.model.compactRevision);
    await both.expectEqual();
  });
});
