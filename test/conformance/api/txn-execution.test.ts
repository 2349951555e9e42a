import { expect, it } from 'vitest';
import type { RequestOp } from '../../support/api-messages.ts';
import { describeTargets } from '../../support/target.ts';
import { keysOf, plainEvent, plainKv, text, under } from '../../support/values.ts';

const put = (key: string, value: string): RequestOp => ({ request_put: { key, value } });

describeTargets('txn execution', (target) => {
  it('runs the success branch or the failure branch, and says which', async () => {
    const { client } = target();
    const key = target().prefix();
    const request = {
      compare: [{ key, target: 'VERSION', version: 0 }],
      success: [put(key, 'created')],
      failure: [put(key, 'again'), { request_range: { key } }],
    } as const;
    const first = await client.txn(request);
    expect({ succeeded: first.succeeded, ops: first.responses.length }).toEqual({ succeeded: true, ops: 1 });
    const second = await client.txn(request);
    expect({ succeeded: second.succeeded, ops: second.responses.length }).toEqual({ succeeded: false, ops: 2 });
    expect(second.responses[1]?.response_range?.kvs.map(plainKv)).toMatchObject([{ key, value: 'again', version: 2n }]);
  });

  it('answers each operation in its place and in its kind', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key: `${key}old`, value: 'o' });
    const { responses } = await client.txn({
      success: [
        { request_range: { key: `${key}old`, count_only: true } },
        { request_put: { key: `${key}old`, value: 'n', prev_kv: true } },
        { request_delete_range: { key: `${key}gone`, prev_kv: true } },
        { request_txn: { compare: [{ key: `${key}old`, target: 'VERSION', version: 5 }] } },
      ],
    });
    expect(responses.map((response) => Object.keys(response))).toEqual([
      ['response_range'],
      ['response_put'],
      ['response_delete_range'],
      ['response_txn'],
    ]);
    expect(responses[0]?.response_range).toMatchObject({ count: 1n, kvs: [] });
    expect(text(responses[1]?.response_put?.prev_kv?.value ?? new Uint8Array())).toBe('o');
    expect(responses[2]?.response_delete_range).toMatchObject({ deleted: 0n, prev_kvs: [] });
    expect(responses[3]?.response_txn).toMatchObject({ succeeded: false, responses: [] });
  });

  it('reads long ranges at one revision, while others write', async () => {
    const { client } = target();
    const key = target().prefix();
    const put100 = (from: number): Promise<unknown> =>
      client.txn({ success: Array.from({ length: 100 }, (_, i) => put(`${key}${from + i}`, 'x'.repeat(500))) });
    for (let from = 1000; from < 6000; from += 100) await put100(from);
    const range = { ...under(key), limit: 4000 };
    const reading = client.txn({
      compare: [{ ...under(key), target: 'VERSION', result: 'GREATER', version: 0 }],
      success: [{ request_range: range }, { request_range: { ...range, sort_order: 'DESCEND' } }],
      failure: [{ request_range: { key } }],
    });
    const writing = Promise.all([put100(1000), put100(5900), client.deleteRange({ key: `${key}3000` })]);
    const { header, succeeded, responses } = await reading;
    await writing;
    const ranges = responses.map(({ response_range }) => response_range);
    expect({ succeeded, answers: ranges.length }).toEqual({ succeeded: true, answers: 2 });
    const [first, second] = ranges;
    const past = { ...range, revision: header.revision };
    for (const [answer, order] of [
      [first, 'ASCEND'],
      [second, 'DESCEND'],
    ] as const) {
      const { kvs, count, more } = await client.range({ ...past, sort_order: order });
      expect(answer?.header?.revision).toBe(header.revision);
      expect({ count: answer?.count, more: answer?.more }).toEqual({ count, more });
      expect(answer?.kvs.map(plainKv)).toEqual(kvs.map(plainKv));
    }
  });

  it('gives all its writes one revision', async () => {
    const { client } = target();
    const key = target().prefix();
    const { header } = await client.txn({ success: [put(`${key}b`, '1'), put(`${key}a`, '2'), put(`${key}c`, '3')] });
    const { kvs } = await client.range(under(key));
    expect(kvs.map((kv) => kv.mod_revision)).toEqual([header.revision, header.revision, header.revision]);
  });

  it('shows its events in the order of execution, which is the order of the sub-revisions', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key: `${key}z1`, value: '' });
    await client.put({ key: `${key}z2`, value: '' });
    const watch = client.watch();
    watch.send({ create_request: under(key) });
    const created = await watch.next();
    const txn = await client.txn({
      success: [
        put(`${key}c`, '1'),
        { request_delete_range: { key: `${key}z1`, range_end: `${key}z9` } },
        { request_txn: { success: [put(`${key}b`, '2')] } },
        put(`${key}a`, '3'),
      ],
    });
    const { events, header } = await watch.next();
    const at = txn.header.revision;
    expect(header.revision).toBe(at);
    const expected = [
      `PUT ${key}c=1@${at}`,
      `DELETE ${key}z1@${at}`,
      `DELETE ${key}z2@${at}`,
      `PUT ${key}b=2@${at}`,
      `PUT ${key}a=3@${at}`,
    ];
    expect(events.map(plainEvent)).toEqual(expected);
    // The same out of the history.
    watch.send({ create_request: { ...under(key), start_revision: at } });
    const [second, replay] = [await watch.next(), await watch.next()];
    expect([created.watch_id, second.watch_id]).toEqual([0n, 1n]);
    expect(replay.events.map(plainEvent)).toEqual(expected);
    watch.cancel();
  });

  it('lets later operations see earlier writes, and reads the past where asked', async () => {
    const { client } = target();
    const key = target().prefix();
    const before = (await client.put({ key: `${key}a`, value: 'old' })).header.revision;
    const { responses, header } = await client.txn({
      success: [
        { request_range: under(key) },
        put(`${key}b`, 'new'),
        { request_range: under(key) },
        { request_delete_range: { key: `${key}a` } },
        { request_range: under(key) },
        { request_range: { ...under(key), revision: before } },
      ],
    });
    const read = (i: number): unknown => {
      const range = responses[i]?.response_range;
      return { keys: range && keysOf(range), count: range?.count, revision: range?.header.revision };
    };
    expect(header.revision).toBe(before + 1n);
    expect(read(0)).toEqual({ keys: [`${key}a`], count: 1n, revision: before });
    expect(read(2)).toEqual({ keys: [`${key}a`, `${key}b`], count: 2n, revision: before + 1n });
    expect(read(4)).toEqual({ keys: [`${key}b`], count: 1n, revision: before + 1n });
    expect(read(5)).toEqual({ keys: [`${key}a`], count: 1n, revision: before + 1n });
  });

  it('puts into the header of an inner delete the new revision only once something has changed', async () => {
    const { client } = target();
    const key = target().prefix();
    const before = (await client.put({ key, value: '' })).header.revision;
    const nothing = { request_delete_range: { key: `${key}none` } };
    const { responses } = await client.txn({ success: [nothing, { request_delete_range: { key } }, nothing] });
    expect(responses.map((r) => r.response_delete_range?.header.revision)).toEqual([before, before + 1n, before + 1n]);
  });

  it('counts a key that it creates and deletes as two changes of one revision', async () => {
    const { client } = target();
    const key = target().prefix();
    const { header } = await client.txn({
      success: [
        { request_txn: { success: [put(key, 'v')] } },
        { request_txn: { success: [{ request_delete_range: { key } }] } },
      ],
    });
    expect((await client.range({ key })).count).toBe(0n);
    const watch = client.watch();
    watch.send({ create_request: { key, start_revision: header.revision } });
    await watch.next();
    const { events } = await watch.next();
    expect(events.map(plainEvent)).toEqual([`PUT ${key}=v@${header.revision}`, `DELETE ${key}@${header.revision}`]);
    watch.cancel();
  });

  it('evaluates the compares of nested txns on the state before the txn', async () => {
    const { client } = target();
    const key = target().prefix();
    const absent = { key, target: 'VERSION', version: 0 } as const;
    const { responses } = await client.txn({
      compare: [absent],
      success: [
        put(key, '1'),
        {
          request_txn: {
            compare: [absent],
            success: [put(`${key}saw-absent`, '')],
            failure: [put(`${key}saw-put`, '')],
          },
        },
      ],
    });
    expect(responses[1]?.response_txn?.succeeded).toBe(true);
    expect(keysOf(await client.range(under(key)))).toEqual([key, `${key}saw-absent`]);
  });

  it('nests deeply', async () => {
    const { client } = target();
    const key = target().prefix();
    let op: RequestOp = put(`${key}leaf`, 'v');
    for (let depth = 0; depth < 20; depth++) {
      const compare = [{ key, target: 'MOD', mod_revision: depth % 2 }] as const;
      op = { request_txn: { compare, [depth % 2 === 0 ? 'success' : 'failure']: [op] } };
    }
    const { header, responses } = await client.txn({ success: [op] });
    expect((await client.range({ key: `${key}leaf` })).kvs[0]?.mod_revision).toBe(header.revision);
    let inner = responses[0]?.response_txn;
    let depth = 1;
    while (inner?.responses[0]?.response_txn) {
      inner = inner.responses[0].response_txn;
      depth++;
    }
    expect(depth).toBe(20);
    expect(inner?.responses[0]?.response_put?.header.revision).toBe(header.revision);
  });

  it('attaches and detaches leases', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60 });
    await client.txn({
      success: [{ request_put: { key: `${key}1`, lease: ID } }, { request_put: { key: `${key}2`, lease: ID } }],
    });
    const attached = async (): Promise<string[]> =>
      (await client.leaseTimeToLive({ ID, keys: true })).keys.map(text).toSorted();
    expect(await attached()).toEqual([`${key}1`, `${key}2`]);
    await client.txn({ success: [{ request_delete_range: { key: `${key}1` } }, put(`${key}2`, '')] });
    expect(await attached()).toEqual([]);
  });

  it('answers read-only txns, serializable or not, with the current revision', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key, value: 'v' })).header;
    for (const serializable of [false, true]) {
      const txn = await client.txn({
        compare: [{ key, target: 'MOD', mod_revision: revision }],
        success: [{ request_range: { key, serializable } }, { request_range: { key, serializable, keys_only: true } }],
        failure: [{ request_range: { key, serializable } }],
      });
      expect(txn).toMatchObject({ succeeded: true, header: { revision } });
      expect(txn.responses.map((r) => r.response_range?.count)).toEqual([1n, 1n]);
      expect(txn.responses.map((r) => r.response_range?.header.revision)).toEqual([revision, revision]);
    }
  });
});
