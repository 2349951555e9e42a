import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { plainKv } from '../../support/values.ts';
import { KubeStore } from './kube-store.ts';

describeTargets('kubernetes objects', (target) => {
  const store = (): KubeStore => new KubeStore(target().client);
  const newKey = (): string => `/registry/configmaps/${target().prefix()}default/one`;

  it('are created once: the second creation fails and shows nothing', async () => {
    const key = newKey();
    const created = await store().create(key, 'v1');
    expect(created.succeeded).toBe(true);
    expect(created.responses[0]?.response_put?.header.revision).toBe(created.header.revision);
    const { kv } = await store().get(key);
    expect(kv && plainKv(kv)).toMatchObject({ value: 'v1', mod_revision: created.header.revision, version: 1n });
    const second = await store().create(key, 'v2');
    expect(second).toMatchObject({ succeeded: false, responses: [], header: { revision: created.header.revision } });
  });

  it('are updated at the expected revision, and a conflict shows the current object', async () => {
    const key = newKey();
    const first = (await store().create(key, 'v1')).header.revision;
    const updated = await store().update(key, first, 'v2');
    expect(updated.succeeded).toBe(true);
    const conflict = await store().update(key, first, 'v3');
    expect(conflict.succeeded).toBe(false);
    expect(conflict.responses[0]?.response_range?.kvs.map(plainKv)).toMatchObject([
      { key, value: 'v2', create_revision: first, mod_revision: updated.header.revision, version: 2n },
    ]);
    const retried = await store().update(key, updated.header.revision, 'v3');
    expect(retried.succeeded).toBe(true);
  });

  it('updated while absent show that there is nothing', async () => {
    const missing = await store().update(newKey(), 5, 'v');
    expect(missing.succeeded).toBe(false);
    expect(missing.responses[0]?.response_range).toMatchObject({ kvs: [], count: 0n });
  });

  it('may be created by an update that expects revision 0', async () => {
    const key = newKey();
    expect((await store().update(key, 0, 'v')).succeeded).toBe(true);
    expect((await store().update(key, 0, 'w')).succeeded).toBe(false);
  });

  it('are deleted at the expected revision, and a conflict shows the current object', async () => {
    const key = newKey();
    const first = (await store().create(key, 'v1')).header.revision;
    const second = (await store().update(key, first, 'v2')).header.revision;
    const conflict = await store().delete(key, first);
    expect(conflict.succeeded).toBe(false);
    expect(conflict.responses[0]?.response_range?.kvs.map(plainKv)).toMatchObject([
      { value: 'v2', mod_revision: second },
    ]);
    const deleted = await store().delete(key, second);
    expect(deleted.succeeded).toBe(true);
    expect(deleted.responses[0]?.response_delete_range?.deleted).toBe(1n);
    expect(deleted.header.revision).toBe(second + 1n);
    expect((await store().get(key)).kv).toBeUndefined();
    const again = await store().delete(key, second);
    expect(again.succeeded).toBe(false);
    expect(again.responses[0]?.response_range?.kvs).toEqual([]);
  });

  it('let one of many concurrent updates win', async () => {
    const key = newKey();
    const first = (await store().create(key, 'v')).header.revision;
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => store().update(key, first, `w${i}`)));
    const winners = answers.filter((answer) => answer.succeeded);
    expect(winners).toHaveLength(1);
    const winner = winners[0]?.header.revision;
    for (const loser of answers.filter((answer) => !answer.succeeded)) {
      expect(loser.responses[0]?.response_range?.kvs[0]?.mod_revision).toBe(winner);
    }
  });

  it('keep every update of a loop that retries on conflict', async () => {
    const key = newKey();
    await store().create(key, '0');
    const increment = async (): Promise<void> => {
      for (;;) {
        const { kv } = await store().get(key);
        const next = String(Number(Buffer.from(kv?.value ?? []).toString()) + 1);
        if ((await store().update(key, kv?.mod_revision ?? 0n, next)).succeeded) return;
      }
    };
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 10; i++) await increment();
      }),
    );
    const { kv } = await store().get(key);
    expect(kv && plainKv(kv)).toMatchObject({ value: '80', version: 81n });
  });

  it('are read at a past revision, and not from the future', async () => {
    const key = newKey();
    const first = (await store().create(key, 'v1')).header.revision;
    await store().update(key, first, 'v2');
    const past = await store().get(key, first);
    expect(past.kv && plainKv(past.kv)).toMatchObject({ value: 'v1' });
    expect(past.revision).toBe(first + 1n);
    await expectError(store().get(key, first + 1000n), 'FutureRev');
  });

  it('hold any bytes, up to the size that an apiserver sends', async () => {
    const key = newKey();
    const value = Uint8Array.from({ length: 1_500_000 }, (_, i) => (i * 7) & 0xff);
    await store().create(key, value);
    expect(Buffer.compare((await store().get(key)).kv?.value ?? new Uint8Array(), value)).toBe(0);
  });

  it('the health check reads a key that never exists', async () => {
    const { client } = target();
    const health = await client.range({ key: '/registry/health' }, { timeoutMs: 2_000 });
    expect(health).toMatchObject({ kvs: [], count: 0n });
  });

  it('the size of the database is in the status', async () => {
    expect((await target().client.status()).dbSize).toBeGreaterThan(0n);
  });
});
