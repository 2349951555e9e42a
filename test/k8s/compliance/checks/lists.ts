/** Lists in pages, selectors, watches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Check, type Context, expectEqual, expectRefused, expectThat } from '../check.ts';
import { KubeError, type KubeWatch } from '../kube-client.ts';
import { type KubeList, type KubeObject, pathOf, type WatchEvent } from '../kube-object.ts';

const COUNT = 25;
const LIMIT = 7;

const path = (context: Context): string => pathOf('v1', 'configmaps', context.namespace);
const name = (i: number): string => `item-${String(i).padStart(3, '0')}`;
const namesOf = (items: readonly KubeObject[]): string[] => items.map(({ metadata }) => metadata.name);
const ITEMS = { labelSelector: 'set=items' };

async function rest(context: Context, first: KubeList): Promise<KubeObject[]> {
  const items = [...first.items];
  let page = first;
  while (page.metadata.continue !== undefined && page.metadata.continue !== '') {
    page = await context.client.list(path(context), { limit: LIMIT, continue: page.metadata.continue });
    expectEqual(page.metadata.resourceVersion, first.metadata.resourceVersion, 'the resourceVersion of a later page');
    items.push(...page.items);
  }
  return items;
}

export const listChecks: readonly Check[] = [
  {
    name: 'list: in pages the same as at once',
    run: async (context) => {
      for (let i = 0; i < COUNT; i++) {
        const labels = { set: 'items', parity: i % 2 === 0 ? 'even' : 'odd' };
        await context.client.create(path(context), { metadata: { name: name(i), labels }, data: { i: String(i) } });
      }
      const whole = await context.client.list(path(context));
      const first = await context.client.list(path(context), { limit: LIMIT });
      expectEqual(first.items.length, LIMIT, 'the number of items of a page');
      expectThat(!!first.metadata.continue, 'no continue token');
      const missing = whole.items.length - LIMIT;
      expectEqual(first.metadata.remainingItemCount, missing, 'remainingItemCount');
      expectEqual(namesOf(await rest(context, first)), namesOf(whole.items), 'the names of all pages');
    },
  },
  {
    name: 'list: later pages show the state of the first, whatever is written meanwhile',
    run: async (context) => {
      const before = await context.client.list(path(context));
      const first = await context.client.list(path(context), { limit: LIMIT });
      await context.client.create(path(context), { metadata: { name: 'item-zzz' } });
      await context.client.patch(`${path(context)}/${name(COUNT - 1)}`, 'merge', { data: { i: 'changed' } });
      await context.client.delete(`${path(context)}/${name(COUNT - 2)}`);
      const all = await rest(context, first);
      const data = (items: readonly KubeObject[]): unknown => items.map(({ metadata, data }) => [metadata.name, data]);
      expectEqual(data(all), data(before.items), 'what the pages show');
      expectThat(
        !namesOf((await context.client.list(path(context))).items).includes(name(COUNT - 2)),
        'a deletion is not seen',
      );
    },
  },
  {
    name: 'list: label selectors',
    run: async (context) => {
      const select = async (labelSelector: string): Promise<number> =>
        (await context.client.list(path(context), { labelSelector })).items.length;
      // One with an odd number is gone since.
      expectEqual(await select('set=items'), COUNT - 1, 'the number with set=items');
      expectEqual(await select('set=items,parity=odd'), 11, 'the number with parity=odd');
      expectEqual(await select('set=items,parity notin (odd)'), 13, 'the number with parity notin (odd)');
      expectEqual(await select('set=none'), 0, 'the number with set=none');
    },
  },
  {
    name: 'list: field selectors',
    run: async (context) => {
      const found = await context.client.list(path(context), { fieldSelector: `metadata.name=${name(3)}` });
      expectEqual(namesOf(found.items), [name(3)], 'what has that name');
      const others = await context.client.list(path(context), { ...ITEMS, fieldSelector: `metadata.name!=${name(3)}` });
      expectEqual(others.items.length, COUNT - 2, 'the number of others');
    },
  },
  {
    name: 'list: at once after a write, it is there (consistent read)',
    run: async (context) => {
      for (let i = 0; i < 20; i++) {
        const written = await context.client.create(path(context), { metadata: { name: `fresh-${i}` } });
        const listed = await context.other.list(path(context));
        expectThat(
          namesOf(listed.items).includes(written.metadata.name),
          `${written.metadata.name} is not in the list`,
        );
        const versions = [Number(listed.metadata.resourceVersion), Number(written.metadata.resourceVersion)] as const;
        expectThat(versions[0] >= versions[1], `a list at ${versions[0]} after a write at ${versions[1]}`);
      }
    },
  },
];

async function takeEvents(context: Context, watch: KubeWatch, count: number): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  while (events.length < count) {
    const event = await watch.next(context.patienceMs);
    if (event.type === 'ERROR') throw new Error(`the watch ended: ${JSON.stringify(event.object)}`);
    if (event.type !== 'BOOKMARK') events.push(event);
  }
  return events;
}

const plain = ({ type, object }: WatchEvent): string => `${type} ${object.metadata.name} ${object.data?.['v'] ?? ''}`;

/** What happens while a watch of checks is on, and what it has to tell. */
async function changes(context: Context, prefix: string): Promise<string[]> {
  const metadata = (name: string): object => ({ name, labels: { set: prefix } });
  await context.client.create(path(context), { metadata: metadata(`${prefix}-a`), data: { v: '1' } });
  await context.client.create(path(context), { metadata: metadata(`${prefix}-b`), data: { v: '1' } });
  await context.client.patch(`${path(context)}/${prefix}-a`, 'merge', { data: { v: '2' } });
  await context.client.delete(`${path(context)}/${prefix}-b`);
  return [`ADDED ${prefix}-a 1`, `ADDED ${prefix}-b 1`, `MODIFIED ${prefix}-a 2`, `DELETED ${prefix}-b 1`];
}

export const watchChecks: readonly Check[] = [
  {
    name: 'watch: every change once, in order',
    run: async (context) => {
      const { metadata } = await context.client.list(path(context));
      const query = { resourceVersion: metadata.resourceVersion, labelSelector: 'set=live' };
      const watch = await context.other.watch(path(context), query);
      try {
        const expected = await changes(context, 'live');
        const events = await takeEvents(context, watch, expected.length);
        expectEqual(events.map(plain), expected, 'what the watch told');
        const versions = events.map(({ object }) => Number(object.metadata.resourceVersion));
        expectThat(
          versions.every((version, i) => version > (versions[i - 1] ?? 0)),
          `versions ${versions.join(' ')}`,
        );
      } finally {
        watch.close();
      }
    },
  },
  {
    name: 'watch: from a version in the past, everything since',
    run: async (context) => {
      const { metadata } = await context.client.list(path(context));
      const expected = await changes(context, 'past');
      const query = { resourceVersion: metadata.resourceVersion, labelSelector: 'set=past' };
      const watch = await context.other.watch(path(context), query);
      try {
        expectEqual((await takeEvents(context, watch, expected.length)).map(plain), expected, 'what the watch told');
      } finally {
        watch.close();
      }
    },
  },
  {
    name: 'watch: a list that streams, with a bookmark at its end',
    run: async (context) => {
      const listed = await context.client.list(path(context), ITEMS);
      const watch = await context.other.watch(path(context), {
        ...ITEMS,
        sendInitialEvents: true,
        resourceVersionMatch: 'NotOlderThan',
        allowWatchBookmarks: true,
      });
      try {
        const names: string[] = [];
        let event = await watch.next(context.patienceMs);
        for (; event.type === 'ADDED'; event = await watch.next(context.patienceMs))
          names.push(event.object.metadata.name);
        expectEqual(event.type, 'BOOKMARK', 'what follows the objects');
        expectEqual(event.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true', 'initial-events-end');
        expectEqual(names.sort(), namesOf(listed.items).sort(), 'the objects');
      } finally {
        watch.close();
      }
    },
  },
];

const TOKEN = 'a continue token of long ago';

/** At the beginning of the run: what the last check will come back to. */
export const tokenCheck: Check = {
  name: 'list: a continue token is given',
  run: async (context) => {
    for (let i = 0; i < 3; i++) {
      await context.client.create(path(context), { metadata: { name: `aaa-${i}` } });
    }
    const page = await context.client.list(path(context), { limit: 1 });
    expectThat(!!page.metadata.continue, 'no continue token');
    context.notes.set(TOKEN, page.metadata.continue ?? '');
  },
};

export const compactionCheck: Check = {
  name: 'list: a continue token from before a compaction is refused with 410, and the list can be gone on with',
  impossible: ({ compactionMs }) =>
    compactionMs === undefined ? 'compaction is not waited for without --compaction-wait' : undefined,
  run: async (context) => {
    const token = context.notes.get(TOKEN) ?? '';
    const deadlineMs = performance.now() + (context.compactionMs ?? 0);
    for (;;) {
      const error = await context.client.list(path(context), { limit: 1, continue: token }).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (error === undefined) {
        expectThat(performance.now() < deadlineMs, `not refused within ${context.compactionMs} ms`);
        // Where nothing is written nothing is compacted.
        await context.client.patch(`${path(context)}/aaa-0`, 'merge', { data: { now: String(performance.now()) } });
        await sleep(250);
        continue;
      }
      if (!(error instanceof KubeError)) throw error;
      await expectRefused(Promise.reject(error), 410, 'Expired');
      const { metadata } = error.body as KubeList;
      expectThat(!!metadata.continue, '410 without a token to go on with');
      const page = await context.client.list(path(context), { limit: 500, continue: metadata.continue ?? '' });
      expectThat(page.items.length > 0, 'nothing in the list that goes on');
      return;
    }
  },
};
