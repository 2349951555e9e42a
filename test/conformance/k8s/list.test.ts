import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, text } from '../../support/values.ts';
import { continueAfter, KubeStore } from './kube-store.ts';

describeTargets('kubernetes lists', (target) => {
  const store = (): KubeStore => new KubeStore(target().client);

  /** `count` pods under a new prefix; returns the prefix. */
  async function pods(count: number): Promise<string> {
    const prefix = `/registry/${target().prefix()}pods/`;
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        store().create(`${prefix}ns${i % 3}/pod-${String(i).padStart(4, '0')}`, `${i}`),
      ),
    );
    return prefix;
  }

  it('in pages give the same as at once', async () => {
    const prefix = await pods(57);
    const whole = await target().client.range({ key: prefix, range_end: `${prefix.slice(0, -1)}0` });
    expect(whole.kvs).toHaveLength(57);
    for (const limit of [1, 7, 19, 56, 57, 58, 500]) {
      const { kvs, revision } = await store().list(prefix, limit);
      expect(kvs).toEqual(whole.kvs);
      expect(revision).toBe(whole.header.revision);
    }
  });

  it('say with each page how many remain', async () => {
    const prefix = await pods(10);
    const first = await store().page(prefix, 4);
    expect(first).toMatchObject({ more: true, count: 10n });
    const last = first.kvs.at(-1)?.key ?? new Uint8Array();
    const second = await store().page(prefix, 4, continueAfter(last), first.header.revision);
    expect(second).toMatchObject({ more: true, count: 6n });
    expect(keysOf(second)[0]! > text(last)).toBe(true);
    const third = await store().page(prefix, 4, continueAfter(second.kvs.at(-1)?.key ?? last), first.header.revision);
    expect(third).toMatchObject({ more: false, count: 2n });
  });

  it('in pages show the state of the first page, whatever is written meanwhile', async () => {
    const prefix = await pods(30);
    const before = await store().list(prefix, 500);
    let round = 0;
    const during = await store().list(prefix, 7, async () => {
      round++;
      await store().create(`${prefix}ns0/new-${round}`, 'new');
      const { kv } = await store().get(`${prefix}ns2/pod-0029`);
      if (kv) await store().delete(`${prefix}ns2/pod-0029`, kv.mod_revision);
      const changed = await store().get(`${prefix}ns1/pod-0028`);
      await store().update(`${prefix}ns1/pod-0028`, changed.kv?.mod_revision ?? 0n, `changed ${round}`);
    });
    expect(round).toBeGreaterThan(2);
    expect(during).toEqual(before);
    expect(await store().count(prefix)).toBe(BigInt(30 - 1 + round));
  });

  it('in pages end with Compacted when compaction passes them', async () => {
    const prefix = await pods(10);
    const first = await store().page(prefix, 3);
    const { revision } = (await store().create(`${prefix}x`, 'x')).header;
    await target().client.compact({ revision });
    const next = continueAfter(first.kvs.at(-1)?.key ?? new Uint8Array());
    await expectError(store().page(prefix, 3, next, first.header.revision), 'Compacted');
    // An apiserver then continues, inconsistently, at the newest revision.
    expect((await store().page(prefix, 300, next)).kvs).toHaveLength(8);
  });

  it('are counted, and listed without values', async () => {
    const prefix = await pods(12);
    expect(await store().count(prefix)).toBe(12n);
    expect(await store().count(`${prefix}ns1/`)).toBe(4n);
    expect(await store().count(`${prefix}none/`)).toBe(0n);
    const keys = await store().keysOnly(prefix);
    expect(keys.kvs).toHaveLength(12);
    expect(keys.kvs.every((kv) => kv.value.length === 0 && kv.mod_revision > 0n)).toBe(true);
  });

  it('give the current revision even where nothing is stored', async () => {
    const { revision } = (await store().create(`/registry/${target().prefix()}x`, 'x')).header;
    const empty = await store().page(`/registry/${target().prefix()}none/`, 1);
    expect(empty).toMatchObject({ kvs: [], count: 0n, more: false, header: { revision } });
  });

  it('of ten thousand objects', async () => {
    const prefix = `/registry/${target().prefix()}big/`;
    const value = 'x'.repeat(300);
    for (let i = 0; i < 100; i++) {
      const success = Array.from({ length: 100 }, (_, j) => ({
        request_put: { key: `${prefix}${String(i * 100 + j).padStart(6, '0')}`, value },
      }));
      await target().client.txn({ success });
    }
    const { kvs } = await store().list(prefix, 500);
    expect(kvs).toHaveLength(10_000);
    expect(new Set(kvs.map((kv) => text(kv.key))).size).toBe(10_000);
  });
});
