import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';
import { plainEvent, under } from '../../support/values.ts';
import { addWatch, openWatch, takeEvents } from '../../support/watch-helpers.ts';

describeTargets('watch create and cancel', (target) => {
  it('answers a create request with created, the id and the current revision', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key })).header;
    const { stream, created } = await openWatch(client, { key });
    expect(created).toEqual({
      header: {
        cluster_id: target().clusterId,
        member_id: target().memberId,
        revision,
        raft_term: created.header.raft_term,
      },
      watch_id: 0n,
      created: true,
      canceled: false,
      compact_revision: 0n,
      cancel_reason: '',
      fragment: false,
      events: [],
    });
    expect(created.header.raft_term).toBeGreaterThan(0n);
    stream.cancel();
  });

  it('numbers the watches of each stream from 0 and skips ids in use', async () => {
    const { client } = target();
    const key = target().prefix();
    const stream = client.watch();
    const ids: bigint[] = [];
    for (const watch_id of [0, 2, 0, 0, 0, 77, 0]) ids.push((await addWatch(stream, { key, watch_id })).watch_id);
    expect(ids).toEqual([0n, 2n, 1n, 3n, 4n, 77n, 5n]);
    const other = await openWatch(client, { key });
    expect(other.created.watch_id).toBe(0n);
    await client.put({ key, value: 'v' });
    const seen = new Set<bigint>();
    for (let i = 0; i < ids.length; i++) seen.add((await stream.next()).watch_id);
    expect(seen).toEqual(new Set(ids));
    stream.cancel();
    other.stream.cancel();
  });

  it('refuses an id in use, with -1, and keeps the stream', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key, watch_id: 5 });
    stream.send({ create_request: { key, watch_id: 5 } });
    const refused = await stream.next();
    expect(refused).toMatchObject({
      watch_id: -1n,
      created: true,
      canceled: true,
      compact_revision: 0n,
      cancel_reason: 'mvcc: duplicate watch ID provided on the WatchStream',
    });
    expect(refused.header.revision).toBe((await client.range({ key })).header.revision);
    const { revision } = (await client.put({ key, value: 'v' })).header;
    expect((await takeEvents(stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=v@${revision}`]);
    stream.cancel();
  });

  it('accepts an id again after it was cancelled', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key, watch_id: 9 });
    stream.send({ cancel_request: { watch_id: 9 } });
    expect((await stream.next()).canceled).toBe(true);
    expect(await addWatch(stream, { key, watch_id: 9 })).toMatchObject({ watch_id: 9n, canceled: false });
    stream.cancel();
  });

  it('refuses an empty range, with -1, and keeps the stream', async () => {
    const { client } = target();
    const stream = client.watch();
    for (const range_end of ['b', 'a']) {
      stream.send({ create_request: { key: 'b', range_end } });
      expect(await stream.next()).toMatchObject({
        watch_id: -1n,
        created: true,
        canceled: true,
        cancel_reason: 'mvcc: watcher range is empty',
      });
    }
    expect(await addWatch(stream, { key: 'b', range_end: 'c' })).toMatchObject({ watch_id: 0n, canceled: false });
    stream.cancel();
  });

  it('refuses a negative start revision', async (context) => {
    target().requires(context, '3.6.6', 'the refusal of a negative start revision at create');
    const stream = target().client.watch();
    stream.send({ create_request: { key: 'b', start_revision: -1 } });
    expect(await stream.next()).toMatchObject({
      watch_id: -1n,
      created: true,
      canceled: true,
      compact_revision: 0n,
      cancel_reason: 'etcdserver: mvcc: required revision has been compacted',
    });
    stream.cancel();
  });

  it('confirms a cancel with the current revision and no reason, and then is silent', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    const { revision } = (await client.put({ key: `${key}other` })).header;
    stream.send({ cancel_request: { watch_id: 0 } });
    expect(await stream.next()).toMatchObject({
      watch_id: 0n,
      canceled: true,
      created: false,
      cancel_reason: '',
      compact_revision: 0n,
      events: [],
      header: { revision },
    });
    await client.put({ key, value: 'unseen' });
    await stream.expectSilence();
    stream.cancel();
  });

  it('says nothing to the cancel of an unknown id, to a second cancel, and to an empty request', async () => {
    const { client } = target();
    const { stream } = await openWatch(client, { key: target().prefix() });
    stream.send({ cancel_request: { watch_id: 99 } });
    stream.send({});
    await stream.expectSilence();
    stream.send({ cancel_request: { watch_id: 0 } });
    expect((await stream.next()).canceled).toBe(true);
    stream.send({ cancel_request: { watch_id: 0 } });
    await stream.expectSilence();
    stream.cancel();
  });

  it('stays open when the client half-closes', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    stream.endRequests();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { revision } = (await client.put({ key, value: 'v' })).header;
    expect((await takeEvents(stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=v@${revision}`]);
    stream.cancel();
  });

  it('takes an empty key as the start of the keyspace', async () => {
    const { client } = target();
    const key = target().prefix();
    const single = await openWatch(client, { key: '' });
    const whole = await openWatch(client, { key: '', range_end: Uint8Array.of(0) });
    const { revision } = (await client.put({ key, value: 'v' })).header;
    expect((await takeEvents(whole.stream, 1)).map(plainEvent)).toEqual([`PUT ${key}=v@${revision}`]);
    await client.put({ key: '\0', value: 'zero' });
    expect((await takeEvents(single.stream, 1)).map(plainEvent)).toEqual([`PUT \0=zero@${revision + 1n}`]);
    single.stream.cancel();
    whole.stream.cancel();
  });

  it('watches exactly one key, a range, a prefix and everything from a key upward', async () => {
    const { client } = target();
    const p = target().prefix();
    const stream = client.watch();
    await addWatch(stream, { key: `${p}b` });
    await addWatch(stream, { key: `${p}b`, range_end: `${p}d` });
    await addWatch(stream, under(`${p}b`));
    await addWatch(stream, { key: `${p}c`, range_end: Uint8Array.of(0) });
    for (const name of ['a', 'b', 'b\0', 'ba', 'c', 'd']) await client.put({ key: p + name });
    const seen = new Map<bigint, string[]>();
    for (let left = 1 + 4 + 3 + 2; left > 0;) {
      const response = await stream.next();
      left -= response.events.length;
      const names = response.events.map((event) => Buffer.from(event.kv.key).toString().slice(p.length));
      seen.set(response.watch_id, [...(seen.get(response.watch_id) ?? []), ...names]);
    }
    await stream.expectSilence(100);
    expect(Object.fromEntries(seen)).toEqual({
      0: ['b'],
      1: ['b', 'b\0', 'ba', 'c'],
      2: ['b', 'b\0', 'ba'],
      3: ['c', 'd'],
    });
    stream.cancel();
  });

  it('serves hundreds of watches on one stream', async () => {
    const { client } = target();
    const p = target().prefix();
    const stream = client.watch();
    const count = 300;
    for (let i = 0; i < count; i++) stream.send({ create_request: { key: p } });
    for (let i = 0; i < count; i++) expect((await stream.next()).watch_id).toBe(BigInt(i));
    const { revision } = (await client.put({ key: p, value: 'v' })).header;
    const ids = new Set<bigint>();
    for (let i = 0; i < count; i++) {
      const response = await stream.next();
      expect(response.events.map(plainEvent)).toEqual([`PUT ${p}=v@${revision}`]);
      ids.add(response.watch_id);
    }
    expect(ids.size).toBe(count);
    stream.cancel();
  });
});
