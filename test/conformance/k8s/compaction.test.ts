import { expect, it } from 'vitest';
import type { Int, TxnResponse } from '../../support/api-messages.ts';
import { expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { plainKv, text } from '../../support/values.ts';
import { openWatch } from '../../support/watch-helpers.ts';
import { KubeStore } from './kube-store.ts';

const KEY = 'compact_rev_key';

describeTargets('kubernetes compaction', (target) => {
  /** Wins the right to compact when the key is still at `version`; otherwise learns what the other apiserver did. */
  function claim(version: Int, revision: Int): Promise<TxnResponse> {
    return target().client.txn({
      compare: [{ target: 'VERSION', result: 'EQUAL', key: KEY, version }],
      success: [{ request_put: { key: KEY, value: String(revision) } }],
      failure: [{ request_range: { key: KEY } }],
    });
  }

  it('is agreed on between apiservers by the version of one key', async () => {
    const store = new KubeStore(target().client);
    const key = `/registry/${target().prefix()}a`;
    const first = (await store.create(key, '1')).header.revision;
    const second = (await store.update(key, first, '2')).header.revision;

    const won = await claim(0, second);
    expect(won.succeeded).toBe(true);
    const lost = await claim(0, second);
    expect(lost.succeeded).toBe(false);
    expect(lost.responses[0]?.response_range?.kvs.map(plainKv)).toMatchObject([
      { key: KEY, value: String(second), version: 1n, mod_revision: won.header.revision },
    ]);
    // The winner compacts at what it stored, and starts the next round from the revision it saw.
    expect((await target().client.compact({ revision: second })).header.revision).toBe(won.header.revision);
    await expectError(store.get(key, first), 'Compacted');
    expect((await store.get(key, second)).kv?.mod_revision).toBe(second);

    const next = await claim(1, won.header.revision);
    expect(next.succeeded).toBe(true);
    await target().client.compact({ revision: won.header.revision });
    await expectError(target().client.compact({ revision: second }), 'Compacted');
  });

  it('is followed by a watch on that key', async () => {
    const { client } = target();
    const { kvs } = await client.range({ key: KEY });
    const { stream } = await openWatch(client, { key: KEY });
    await claim(kvs[0]?.version ?? 0n, 12345);
    const { events } = await stream.next();
    expect(events.map((event) => [event.type, text(event.kv.value)])).toEqual([['PUT', '12345']]);
    stream.cancel();
  });
});
