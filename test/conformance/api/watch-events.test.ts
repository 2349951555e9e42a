import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';
import { plainEvent, plainKv, text, under } from '../../support/values.ts';
import { addWatch, openWatch, takeEvents } from '../../support/watch-helpers.ts';

describeTargets('watch events', (target) => {
  it('shows a put with the whole key-value and a delete with key and mod_revision', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    const created = (await client.put({ key, value: '1' })).header.revision;
    const live = await stream.next();
    expect(live).toMatchObject({ watch_id: 0n, created: false, canceled: false, header: { revision: created } });
    expect(live.events).toHaveLength(1);
    const base = { key, create_revision: created, lease: 0n };
    expect(plainKv(live.events[0]!.kv)).toEqual({ ...base, value: '1', mod_revision: created, version: 1n });
    const changed = (await client.put({ key, value: '2' })).header.revision;
    const second = await stream.next();
    expect(plainKv(second.events[0]!.kv)).toEqual({ ...base, value: '2', mod_revision: changed, version: 2n });
    const deleted = (await client.deleteRange({ key })).header.revision;
    const third = await stream.next();
    expect(third.events[0]?.type).toBe('DELETE');
    expect(plainKv(third.events[0]!.kv)).toEqual({
      key,
      value: '',
      create_revision: 0n,
      mod_revision: deleted,
      version: 0n,
      lease: 0n,
    });
    expect([live, second, third].map((response) => response.events[0]?.prev_kv)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    stream.cancel();
  });

  it('comes in one response per revision, with the revision of its events in the header', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, under(key));
    for (let i = 0; i < 10; i++) {
      const success = Array.from({ length: 5 }, (_, j) => ({ request_put: { key: `${key}${i}${j}`, value: 'v' } }));
      const { revision } = (await client.txn({ success })).header;
      const response = await stream.next();
      expect(response.header.revision).toBe(revision);
      expect(response.events.map((event) => [text(event.kv.key), event.kv.mod_revision])).toEqual(
        [0, 1, 2, 3, 4].map((j) => [`${key}${i}${j}`, revision]),
      );
    }
    stream.cancel();
  });

  it('arrives in the order of revisions, without a gap and without a repeat', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, under(key));
    const puts = Array.from({ length: 500 }, (_, i) => client.put({ key: `${key}${i % 7}`, value: String(i) }));
    const revisions = (await Promise.all(puts)).map((put) => put.header.revision).toSorted((a, b) => (a < b ? -1 : 1));
    const events = await takeEvents(stream, 500);
    expect(events.map((event) => event.kv.mod_revision)).toEqual(revisions);
    stream.cancel();
  });

  it('carries prev_kv when asked: what was before a change or a delete, nothing for a creation', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key, prev_kv: true });
    await client.put({ key, value: '1' });
    await client.put({ key, value: '2' });
    await client.deleteRange({ key });
    await client.put({ key, value: '3' });
    const events = await takeEvents(stream, 4);
    expect(events.map((event) => event.prev_kv && text(event.prev_kv.value))).toEqual([undefined, '1', '2', undefined]);
    expect(plainKv(events[2]!.prev_kv!)).toMatchObject({ key, version: 2n, mod_revision: events[1]?.kv.mod_revision });
    stream.cancel();
  });

  it('carries prev_kv from the state before the transaction as a whole', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: 'before' });
    const { stream } = await openWatch(client, { key, prev_kv: true });
    const put = { request_put: { key, value: 'during' } };
    const del = { request_delete_range: { key } };
    await client.txn({ success: [{ request_txn: { success: [put] } }, { request_txn: { success: [del] } }] });
    const { events } = await stream.next();
    expect(events.map((event) => [event.type, event.prev_kv && text(event.prev_kv.value)])).toEqual([
      ['PUT', 'before'],
      ['DELETE', 'before'],
    ]);
    stream.cancel();
  });

  it('passes through the filters, and no response is left where they drop everything', async () => {
    const { client } = target();
    const key = target().prefix();
    const stream = client.watch();
    await addWatch(stream, { key, filters: ['NOPUT'], watch_id: 1 });
    await addWatch(stream, { key, filters: ['NODELETE'], watch_id: 2 });
    await addWatch(stream, { key, filters: ['NOPUT', 'NODELETE'], watch_id: 3 });
    const put = (await client.put({ key, value: 'v' })).header.revision;
    const first = await stream.next();
    expect([first.watch_id, first.events.map(plainEvent)]).toEqual([2n, [`PUT ${key}=v@${put}`]]);
    await client.deleteRange({ key });
    const second = await stream.next();
    expect([second.watch_id, second.events.map(plainEvent)]).toEqual([1n, [`DELETE ${key}@${put + 1n}`]]);
    await stream.expectSilence(150);
    stream.cancel();
  });

  it('is silent about other keys and about writes that change nothing', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    await client.put({ key: `${key}other` });
    await client.deleteRange({ key });
    await client.txn({ compare: [{ key, target: 'VERSION', version: 5 }], success: [{ request_put: { key } }] });
    await stream.expectSilence(200);
    stream.cancel();
  });

  it('reaches every stream and every connection', async () => {
    const { client } = target();
    const key = target().prefix();
    const watches = await Promise.all(Array.from({ length: 20 }, () => openWatch(client, { key })));
    const { revision } = (await client.put({ key, value: 'v' })).header;
    for (const { stream } of watches) {
      expect((await takeEvents(stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=v@${revision}`]);
      stream.cancel();
    }
  });

  it('waits for a slow reader and loses nothing', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const { stream } = await openWatch(client, under(prefix));
    const other = await openWatch(client, under(prefix));
    // Far more than the flow-control windows and the server's own queue hold.
    const value = 'x'.repeat(100_000);
    const count = 300;
    for (let i = 0; i < count; i++) await client.put({ key: `${prefix}${i}`, value });
    for (const watch of [stream, other.stream]) {
      const keys = (await takeEvents(watch, count, 10_000)).map((event) => text(event.kv.key));
      expect(keys).toEqual(Array.from({ length: count }, (_, i) => `${prefix}${i}`));
      watch.cancel();
    }
  });
});
