import { expect, it } from 'vitest';
import type { WatchResponse } from '../../support/api-messages.ts';
import { describeTargets } from '../../support/target.ts';
import { plainEvent, text, under } from '../../support/values.ts';
import { addWatch, openWatch, takeEvents } from '../../support/watch-helpers.ts';

describeTargets('watch history', (target) => {
  it('start revision 0 begins after the current revision', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: 'before' });
    const { stream } = await openWatch(client, { key, start_revision: 0 });
    await stream.expectSilence(250);
    const { revision } = (await client.put({ key, value: 'after' })).header;
    expect((await takeEvents(stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=after@${revision}`]);
    stream.cancel();
  });

  it('a start revision in the past replays from there, inclusive, then goes on live', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: '1' })).header.revision;
    await client.put({ key, value: '2' });
    await client.deleteRange({ key });
    const { stream, created } = await openWatch(client, { key, start_revision: first + 1n });
    expect(created).toMatchObject({ created: true, header: { revision: first + 2n }, events: [] });
    await client.put({ key, value: '3' });
    expect((await takeEvents(stream, 3)).map(plainEvent)).toEqual([
      `PUT ${key}=2@${first + 1n}`,
      `DELETE ${key}@${first + 2n}`,
      `PUT ${key}=3@${first + 3n}`,
    ]);
    stream.cancel();
  });

  it('a catch-up response has the current revision in its header', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: '1' })).header.revision;
    const last = (await client.put({ key: `${key}other` })).header.revision;
    const { stream } = await openWatch(client, { key, start_revision: first });
    const response = await stream.next();
    expect(response.events.map(plainEvent)).toEqual([`PUT ${key}=1@${first}`]);
    expect(response.header.revision).toBe(last);
    stream.cancel();
  });

  it('sends the created answer before any event of the watch', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: '1' })).header.revision;
    const stream = client.watch();
    for (let i = 0; i < 20; i++) stream.send({ create_request: { key, start_revision: first } });
    const created = new Set<bigint>();
    for (let events = 0; events < 20;) {
      const response = await stream.next();
      if (response.created) created.add(response.watch_id);
      if (response.events.length > 0) {
        expect(created.has(response.watch_id)).toBe(true);
        events++;
      }
    }
    stream.cancel();
  });

  it('a start revision in the future waits for it', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key, value: '0' })).header;
    const { stream } = await openWatch(client, { key, start_revision: revision + 3n });
    for (const value of ['1', '2']) await client.put({ key, value });
    await stream.expectSilence(200);
    for (const value of ['3', '4']) await client.put({ key, value });
    expect((await takeEvents(stream, 2)).map(plainEvent)).toEqual([
      `PUT ${key}=3@${revision + 3n}`,
      `PUT ${key}=4@${revision + 4n}`,
    ]);
    stream.cancel();
  });

  it('replays in whole revisions, with prev_kv and filters', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key: `${key}a`, value: '0' });
    const { revision } = (
      await client.txn({
        success: [
          { request_put: { key: `${key}b`, value: '1' } },
          { request_put: { key: `${key}a`, value: '2' } },
          { request_delete_range: { key: `${key}c` } },
        ],
      })
    ).header;
    await client.deleteRange(under(key));
    const watch = { ...under(key), start_revision: revision, prev_kv: true };
    const { stream } = await openWatch(client, watch);
    const events = await takeEvents(stream, 4);
    expect(events.map((event) => [plainEvent(event), event.prev_kv && text(event.prev_kv.value)])).toEqual([
      [`PUT ${key}b=1@${revision}`, undefined],
      [`PUT ${key}a=2@${revision}`, '0'],
      [`DELETE ${key}a@${revision + 1n}`, '2'],
      [`DELETE ${key}b@${revision + 1n}`, '1'],
    ]);
    stream.cancel();
    const filtered = await openWatch(client, { ...watch, filters: ['NOPUT'] });
    expect((await takeEvents(filtered.stream, 2)).map((event) => event.type)).toEqual(['DELETE', 'DELETE']);
    filtered.stream.cancel();
  });

  it('replays thousands of revisions in order while writes go on', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: 'first' })).header.revision;
    for (let i = 0; i < 30; i++) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => client.put({ key: `${key}${j % 10}`, value: `${i}` })));
    }
    const { stream } = await openWatch(client, { ...under(key), start_revision: first });
    const during = Promise.all(Array.from({ length: 200 }, (_, i) => client.put({ key: `${key}live${i}` })));
    const events = await takeEvents(stream, 1 + 3000 + 200, 10_000);
    await during;
    expect(events.map((event) => event.kv.mod_revision)).toEqual(events.map((_, i) => first + BigInt(i)));
    stream.cancel();
  });
});

describeTargets('watch and compaction', (target) => {
  /** Writes `count` revisions to a new key and compacts at the last one; returns key and that revision. */
  async function compacted(count: number): Promise<{ key: string; revision: bigint }> {
    const { client } = target();
    const key = target().prefix();
    let revision = 0n;
    for (let i = 1; i <= count; i++) revision = (await client.put({ key, value: `${i}` })).header.revision;
    await client.compact({ revision });
    return { key, revision };
  }

  it('cancels a watch that starts below the compacted revision: first created, then canceled', async () => {
    const { client } = target();
    const { key, revision } = await compacted(3);
    const { stream, created } = await openWatch(client, { key, start_revision: revision - 1n });
    expect(created).toMatchObject({ watch_id: 0n, created: true, canceled: false, compact_revision: 0n });
    const canceled: WatchResponse = await stream.next();
    expect(canceled).toMatchObject({
      watch_id: 0n,
      created: false,
      canceled: true,
      compact_revision: revision,
      cancel_reason: '',
      events: [],
    });
    expect(canceled.header.revision).toBe(0n);
    expect(canceled.header.cluster_id).toBe(target().clusterId);
    await client.put({ key });
    await stream.expectSilence(150);
    stream.cancel();
  });

  it('keeps the id of a watch that compaction has cancelled taken until the client cancels it too', async () => {
    const { client } = target();
    const { key, revision } = await compacted(2);
    const { stream } = await openWatch(client, { key, start_revision: 1, watch_id: 6 });
    expect(await stream.next()).toMatchObject({ watch_id: 6n, canceled: true, compact_revision: revision });
    stream.send({ create_request: { key, watch_id: 6 } });
    expect(await stream.next()).toMatchObject({ watch_id: -1n, created: true, canceled: true });
    stream.send({ cancel_request: { watch_id: 6 } });
    expect(await stream.next()).toMatchObject({
      watch_id: 6n,
      canceled: true,
      compact_revision: 0n,
      header: { revision },
    });
    expect(await addWatch(stream, { key, watch_id: 6 })).toMatchObject({ watch_id: 6n, canceled: false });
    stream.cancel();
  });

  it('allows a watch to start exactly at the compacted revision', async () => {
    const { client } = target();
    const { key, revision } = await compacted(3);
    const { stream } = await openWatch(client, { key, start_revision: revision });
    expect((await takeEvents(stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=3@${revision}`]);
    stream.cancel();
  });

  it('leaves prev_kv out when it was compacted away', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: '1' });
    const { revision } = (await client.put({ key, value: '2' })).header;
    await client.put({ key, value: '3' });
    await client.compact({ revision, physical: true });
    const { stream } = await openWatch(client, { key, start_revision: revision, prev_kv: true });
    const events = await takeEvents(stream, 2);
    expect(events.map((event) => event.prev_kv && text(event.prev_kv.value))).toEqual([undefined, '2']);
    stream.cancel();
  });

  it('does not touch watches that are up to date', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    const { revision } = (await client.put({ key, value: '1' })).header;
    await takeEvents(stream, 1);
    await client.put({ key: `${key}other` });
    await client.compact({ revision: revision + 1n });
    await client.put({ key, value: '2' });
    expect((await takeEvents(stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=2@${revision + 2n}`]);
    stream.cancel();
  });
});
