import { expect, it } from 'vitest';
import type { WatchResponse } from '../../support/api-messages.ts';
import { describeTargets } from '../../support/target.ts';
import { text, under } from '../../support/values.ts';
import { openWatch, type WatchStream } from '../../support/watch-helpers.ts';

const VALUE = 'x'.repeat(200_000);

describeTargets('watch fragments', (target) => {
  async function takeRevision(stream: WatchStream, events: number): Promise<WatchResponse[]> {
    const responses: WatchResponse[] = [];
    while (responses.reduce((sum, response) => sum + response.events.length, 0) < events) {
      responses.push(await stream.next());
    }
    return responses;
  }

  /** Twenty keys of 200 kB, deleted in one revision: with prev_kv that is a response of 4 MB. */
  async function hugeRevision(stream: (prefix: string) => Promise<WatchStream>): Promise<[WatchResponse[], bigint]> {
    const { client } = target();
    const prefix = target().prefix();
    for (let i = 10; i < 30; i++) await client.put({ key: `${prefix}${i}`, value: VALUE });
    const watch = await stream(prefix);
    const { revision } = (await client.deleteRange(under(prefix))).header;
    const responses = await takeRevision(watch, 20);
    watch.cancel();
    return [responses, revision];
  }

  it('split a response that is too large, and mark all but the last part', async () => {
    const { client } = target();
    const [responses, revision] = await hugeRevision(
      async (prefix) => (await openWatch(client, { ...under(prefix), prev_kv: true, fragment: true })).stream,
    );
    expect(responses.length).toBeGreaterThan(1);
    expect(responses.map((response) => response.fragment)).toEqual(responses.map((_, i) => i < responses.length - 1));
    for (const response of responses) {
      expect(response).toMatchObject({ watch_id: 0n, created: false, canceled: false });
      expect(response.header).toEqual(responses[0]?.header);
      expect(response.events.length).toBeGreaterThan(0);
      const size = response.events.reduce((sum, event) => sum + (event.prev_kv?.value.length ?? 0), 0);
      expect(size).toBeLessThan(1_572_864 + 524_288);
    }
    const events = responses.flatMap((response) => response.events);
    expect(events.every((event) => event.kv.mod_revision === revision)).toBe(true);
    expect(events.map((event) => text(event.kv.key))).toEqual(events.map((event) => text(event.kv.key)).toSorted());
  });

  it('are not made unless they were asked for', async () => {
    const { client } = target();
    const [responses] = await hugeRevision(
      async (prefix) => (await openWatch(client, { ...under(prefix), prev_kv: true })).stream,
    );
    expect(responses.map((response) => [response.fragment, response.events.length])).toEqual([[false, 20]]);
  });

  it('are not made of a response that is small enough', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key, fragment: true });
    await client.put({ key, value: VALUE });
    const response = await stream.next();
    expect([response.fragment, response.events.length]).toEqual([false, 1]);
    stream.cancel();
  });

  it('split the history too', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const first = (await client.put({ key: `${prefix}0`, value: VALUE })).header.revision;
    for (let i = 1; i < 25; i++) await client.put({ key: `${prefix}${i}`, value: VALUE });
    const { stream } = await openWatch(client, { ...under(prefix), start_revision: first, fragment: true });
    const responses = await takeRevision(stream, 25);
    expect(responses.length).toBeGreaterThan(1);
    expect(responses.at(-1)?.fragment).toBe(false);
    const revisions = responses.flatMap((response) => response.events.map((event) => event.kv.mod_revision));
    expect(revisions).toEqual(revisions.map((_, i) => first + BigInt(i)));
    stream.cancel();
  });
});
