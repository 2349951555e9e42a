import { expect, it } from 'vitest';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, plainEvent, plainKv, text, under } from '../../support/values.ts';

describeTargets('compact on a new store', (target) => {
  it('accepts revision 0 once, for nothing was compacted yet', async () => {
    const { client } = target();
    await client.put({ key: 'a' });
    expect((await client.compact({ revision: 0 })).header.revision).toBe(2n);
    await expectError(client.compact({ revision: 0 }), 'Compacted');
    expect((await client.range({ key: 'a', revision: 1 })).count).toBe(0n);
  });
});

describeTargets('compact', (target) => {
  it('makes older revisions unreadable, and keeps its own and later ones', async () => {
    const { client } = target();
    const key = target().prefix();
    const revisions: bigint[] = [];
    for (const value of ['1', '2', '3', '4']) revisions.push((await client.put({ key, value })).header.revision);
    const [first = 0n, second = 0n, third = 0n, fourth = 0n] = revisions;
    expect((await client.compact({ revision: third })).header.revision).toBe(fourth);
    await expectError(client.range({ key, revision: first }), 'Compacted');
    await expectError(client.range({ key, revision: second, serializable: true }), 'Compacted');
    for (const [revision, value] of [
      [third, '3'],
      [fourth, '4'],
      [0n, '4'],
    ] as const) {
      expect((await client.range({ key, revision })).kvs.map((kv) => text(kv.value))).toEqual([value]);
    }
  });

  it('refuses what is compacted already and what has not come yet', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key });
    const { revision } = (await client.put({ key })).header;
    await expectError(client.compact({ revision: revision + 1n }), 'FutureRev');
    await client.compact({ revision });
    await expectError(client.compact({ revision }), 'Compacted');
    await expectError(client.compact({ revision: revision - 1n }), 'Compacted');
    await expectError(client.compact({ revision: -5 }), 'Compacted');
  });

  it('accepts the current revision, physically', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: '1' });
    const { revision } = (await client.put({ key, value: '2' })).header;
    expect((await client.compact({ revision, physical: true })).header.revision).toBe(revision);
    expect((await client.range({ key })).kvs.map((kv) => text(kv.value))).toEqual(['2']);
    await client.put({ key, value: '3' });
    expect((await client.range({ key, revision })).kvs.map((kv) => text(kv.value))).toEqual(['2']);
  });

  it('keeps for each key the newest change at or below its revision, and no longer deleted keys', async () => {
    const { client } = target();
    const prefix = target().prefix();
    await client.put({ key: `${prefix}kept`, value: 'old' });
    await client.put({ key: `${prefix}deleted`, value: 'x' });
    await client.put({ key: `${prefix}kept`, value: 'new' });
    await client.deleteRange({ key: `${prefix}deleted` });
    await client.put({ key: `${prefix}again`, value: '1' });
    await client.deleteRange({ key: `${prefix}again` });
    const { revision } = (await client.put({ key: `${prefix}again`, value: '2' })).header;
    await client.compact({ revision, physical: true });
    const range = await client.range({ ...under(prefix), revision });
    expect(range.kvs.map(plainKv)).toMatchObject([
      { key: `${prefix}again`, value: '2', version: 1n, create_revision: revision },
      { key: `${prefix}kept`, value: 'new', version: 2n },
    ]);
    // Version and create_revision go on from what was kept.
    await client.put({ key: `${prefix}kept`, value: 'newer' });
    await client.put({ key: `${prefix}deleted`, value: 'y' });
    expect((await client.range(under(prefix))).kvs.map(plainKv)).toMatchObject([
      { key: `${prefix}again` },
      { key: `${prefix}deleted`, version: 1n },
      { key: `${prefix}kept`, version: 3n, create_revision: range.kvs[1]?.create_revision },
    ]);
  });

  it('keeps a deletion that happened exactly at its revision, for watchers that start there', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: '1' });
    const { revision } = (await client.deleteRange({ key })).header;
    await client.compact({ revision, physical: true });
    const watch = client.watch();
    watch.send({ create_request: { key, start_revision: revision } });
    expect((await watch.next()).created).toBe(true);
    expect((await watch.next()).events.map(plainEvent)).toEqual([`DELETE ${key}@${revision}`]);
    watch.cancel();
  });

  it('leaves the history above its revision complete', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key, value: '1' })).header;
    for (const value of ['2', '3']) await client.put({ key, value });
    await client.deleteRange({ key });
    await client.compact({ revision: revision + 1n, physical: true });
    const watch = client.watch();
    watch.send({ create_request: { key, start_revision: revision + 1n } });
    await watch.next();
    const events: string[] = [];
    while (events.length < 3) events.push(...(await watch.next()).events.map(plainEvent));
    expect(events).toEqual([
      `PUT ${key}=2@${revision + 1n}`,
      `PUT ${key}=3@${revision + 2n}`,
      `DELETE ${key}@${revision + 3n}`,
    ]);
    watch.cancel();
  });

  it('does not disturb reads and writes that go on meanwhile', async () => {
    const { client } = target();
    const prefix = target().prefix();
    for (let round = 0; round < 20; round++) {
      const success = Array.from({ length: 100 }, (_, i) => ({
        request_put: { key: `${prefix}${String(i).padStart(3, '0')}`, value: `${round}` },
      }));
      await client.txn({ success });
    }
    const { revision } = (await client.range({ key: prefix })).header;
    const compacted = client.compact({ revision, physical: true });
    const during = await Promise.all(
      Array.from({ length: 20 }, (_, i) => client.put({ key: `${prefix}during${i}`, value: 'v' })),
    );
    await compacted;
    expect(during).toHaveLength(20);
    const range = await client.range(under(prefix));
    expect(keysOf(range)).toHaveLength(120);
    expect(range.kvs.slice(0, 100).every((kv) => text(kv.value) === '19' && kv.version === 20n)).toBe(true);
  });
});
