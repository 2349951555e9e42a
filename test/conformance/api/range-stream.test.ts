import { expect, it } from 'vitest';
import type { KeyValue, RangeRequest, RangeResponse } from '../../support/api-messages.ts';
import { expectError, expectStatus, Status } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { plainKv, under } from '../../support/values.ts';

/** RangeStream appeared in etcd 3.7; older targets must answer that they do not know it. */
describeTargets('range stream', (target) => {
  /** quorate has it although it reports an earlier version: clients try it and fall back. */
  const hasRangeStream = (): boolean => target().kind === 'quorate' || target().atLeast('3.7');

  it('is unimplemented before 3.7', async (context) => {
    if (hasRangeStream()) context.skip('the target has RangeStream');
    await expectStatus(
      target().client.rangeStream({ key: 'x' }).drain(),
      Status.Unimplemented,
      'unknown method RangeStream for service etcdserverpb.KV',
    );
  });

  /** The stream's messages joined as protobuf merges them: repeated fields concatenated, the last scalar wins. */
  async function merged(request: RangeRequest): Promise<{ messages: number; response: Partial<RangeResponse> }> {
    const messages = await target().client.rangeStream(request).drain();
    const kvs: KeyValue[] = [];
    for (const [i, { range_response: part }] of messages.entries()) {
      kvs.push(...part.kvs);
      expect(part.header !== undefined).toBe(i === messages.length - 1);
      if (i < messages.length - 1) expect(part).toMatchObject({ more: false, count: 0n });
    }
    const last = messages.at(-1)?.range_response;
    return { messages: messages.length, response: { ...last, kvs } };
  }

  it('sends the same as Range, in parts', async (context) => {
    if (!hasRangeStream()) target().requires(context, '3.7', 'RangeStream');
    const { client } = target();
    const prefix = target().prefix();
    for (let i = 0; i < 100; i++) await client.put({ key: `${prefix}${String(i).padStart(3, '0')}`, value: `${i}` });
    for (const options of [{}, { limit: 25 }, { keys_only: true }, { serializable: true }, { count_only: true }]) {
      const request = { ...under(prefix), ...options };
      const { response } = await merged(request);
      expect(response).toEqual(await client.range(request));
    }
    expect((await merged(under(prefix))).messages).toBeGreaterThan(1);
    expect((await merged({ ...under(prefix), count_only: true })).messages).toBe(1);
  });

  it('reads at a fixed revision and reports the latest one in its header', async (context) => {
    if (!hasRangeStream()) target().requires(context, '3.7', 'RangeStream');
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: '1' })).header.revision;
    const second = (await client.put({ key, value: '2' })).header.revision;
    const { response } = await merged({ key, revision: first });
    expect(response.header?.revision).toBe(second);
    expect(response.kvs?.map(plainKv)).toMatchObject([{ value: '1' }]);
  });

  it('answers an empty range with one message', async (context) => {
    if (!hasRangeStream()) target().requires(context, '3.7', 'RangeStream');
    const { messages, response } = await merged(under(target().prefix()));
    expect(messages).toBe(1);
    expect(response).toMatchObject({ kvs: [], count: 0n, more: false });
  });

  it('refuses what it cannot stream', async (context) => {
    if (!hasRangeStream()) target().requires(context, '3.7', 'RangeStream');
    const { client } = target();
    const drain = (request: RangeRequest): Promise<unknown> => client.rangeStream({ key: 'x', ...request }).drain();
    const order = 'RangeStream does not support custom sort orders';
    await expectStatus(drain({ sort_order: 'DESCEND' }), Status.Unimplemented, order);
    await expectStatus(drain({ sort_order: 'ASCEND', sort_target: 'MOD' }), Status.Unimplemented, order);
    const filters = 'RangeStream does not support revision filters';
    await expectStatus(drain({ min_mod_revision: 1 }), Status.Unimplemented, filters);
    await expectStatus(drain({ max_create_revision: 1 }), Status.Unimplemented, filters);
    await expectError(drain({ key: '' }), 'EmptyKey');
    await expectError(drain({ sort_order: 7 }), 'InvalidSortOption');
    await expectError(drain({ revision: 2n ** 40n }), 'FutureRev');
  });
});
