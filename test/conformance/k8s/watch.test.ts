import { expect, it } from 'vitest';
import type { Event, WatchResponse } from '../../support/api-messages.ts';
import { RawClient } from '../../support/raw-client.ts';
import { describeTargets } from '../../support/target.ts';
import { plainEvent, text } from '../../support/values.ts';
import { takeEvents } from '../../support/watch-helpers.ts';
import { isProgressNotify, KubeStore } from './kube-store.ts';

const PROGRESS_REQUEST_EVERY_MS = 100;
const WRITERS = 5;
const WRITES = 150;

describeTargets(
  'kubernetes watches',
  (target) => {
    const store = (): KubeStore => new KubeStore(target().client);
    const newPrefix = (): string => `/registry/${target().prefix()}pods/`;

    /** Kubernetes ends a watch on a modify or delete event without prev_kv. */
    function expectUsable(event: Event): void {
      const isCreate = event.type === 'PUT' && event.kv.create_revision === event.kv.mod_revision;
      expect(event.prev_kv !== undefined).toBe(!isCreate);
    }

    it('go on from a list without a gap, and tell creations, changes and deletions with what was before', async () => {
      const prefix = newPrefix();
      const key = `${prefix}default/a`;
      await store().create(`${prefix}default/before`, 'b');
      const { revision } = await store().list(prefix, 500);
      const created = (await store().create(key, '1')).header.revision;
      const changed = (await store().update(key, created, '2')).header.revision;
      const stream = await store().watch(prefix, revision);
      const deleted = (await store().delete(key, changed)).header.revision;
      const events = await takeEvents(stream, 3);
      for (const event of events) expectUsable(event);
      expect(events.map(plainEvent)).toEqual([
        `PUT ${key}=1@${created}`,
        `PUT ${key}=2@${changed}`,
        `DELETE ${key}@${deleted}`,
      ]);
      expect(events.map((event) => event.prev_kv && text(event.prev_kv.value))).toEqual([undefined, '1', '2']);
      stream.cancel();
    });

    it('are refused below a compaction in a way that becomes 410 Gone', async () => {
      const prefix = newPrefix();
      const first = (await store().create(`${prefix}a`, '1')).header.revision;
      const second = (await store().update(`${prefix}a`, first, '2')).header.revision;
      await target().client.compact({ revision: second });
      const stream = await store().watch(prefix, first - 2n);
      expect(await stream.next()).toMatchObject({ canceled: true, compact_revision: second, events: [] });
      stream.cancel();
    });

    it('get progress notices while nothing happens', async () => {
      const prefix = newPrefix();
      const { revision } = (await store().create(`${prefix}a`, '1')).header;
      const stream = await store().watch(prefix, revision);
      const elsewhere = (await store().create(`${newPrefix()}b`, '1')).header.revision;
      let notice: WatchResponse = await stream.next();
      while (notice.header.revision < elsewhere) notice = await stream.next();
      expect(isProgressNotify(notice)).toBe(true);
      expect(notice.header.revision).toBe(elsewhere);
      stream.cancel();
    });

    it('answer progress requests every 100 ms consistently while many writers write', { timeout: 20_000 }, async () => {
      const prefix = newPrefix();
      const { revision } = await store().list(prefix, 1);
      const stream = await store().watch(prefix, revision);
      /** The watch cache: what the events so far add up to. */
      const cache = new Map<string, string>();
      let fresh = revision;
      let events = 0;
      let done = false;
      const asking = setInterval(() => stream.send({ progress_request: {} }), PROGRESS_REQUEST_EVERY_MS);
      const follow = (async () => {
        while (!done || events < WRITERS * WRITES) {
          const response = await stream.next(3_000).catch((error: unknown) => {
            throw new Error(`the watch fell silent after ${events} events`, { cause: error });
          });
          expect(response.canceled).toBe(false);
          if (isProgressNotify(response)) {
            expect(response.header.revision).toBeGreaterThanOrEqual(fresh);
            fresh = response.header.revision;
            continue;
          }
          for (const event of response.events) {
            expectUsable(event);
            // An event at or below a revision that was promised complete means stale reads.
            expect(event.kv.mod_revision).toBeGreaterThan(fresh);
            if (event.type === 'PUT') cache.set(text(event.kv.key), text(event.kv.value));
            else cache.delete(text(event.kv.key));
            events++;
          }
          if (response.events.length > 0) fresh = response.header.revision;
        }
      })();
      const writers = Array.from({ length: WRITERS }, async (_, w) => {
        for (let i = 0; i < WRITES; i++) {
          const key = `${prefix}w${w}-${i % 4}`;
          const { kv } = await store().get(key);
          if (!kv) await store().create(key, `${i}`);
          else if (i % 9 === 0) await store().delete(key, kv.mod_revision);
          else await store().update(key, kv.mod_revision, `${i}`);
          if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 30));
        }
      });
      await Promise.all(writers);
      done = true;
      // A consistent read from the cache: the newest revision from the store, then the cache once it is as fresh.
      const list = await store().list(prefix, 10_000);
      await follow;
      while (fresh < list.revision) {
        const response = await stream.next(3_000);
        if (isProgressNotify(response)) fresh = response.header.revision;
      }
      clearInterval(asking);
      expect(Object.fromEntries(cache)).toEqual(
        Object.fromEntries(list.kvs.map((kv) => [text(kv.key), text(kv.value)])),
      );
      stream.cancel();
    });

    it('come by the hundred, each resource with its own connection', async () => {
      const clients = Array.from({ length: 100 }, () => new RawClient(target().server.endpoint));
      const prefix = newPrefix();
      const { revision } = await store().list(prefix, 1);
      const streams = await Promise.all(
        clients.flatMap((client) => [0, 1, 2].map(() => new KubeStore(client).watch(prefix, revision))),
      );
      const created = (await store().create(`${prefix}a`, '1')).header.revision;
      for (const stream of streams) {
        let response = await stream.next();
        while (isProgressNotify(response)) response = await stream.next();
        expect(response.events.map(plainEvent)).toEqual([`PUT ${prefix}a=1@${created}`]);
        stream.cancel();
      }
      for (const client of clients) client.close();
    });
  },
  // As short as Kubernetes' own tests make it; kubeadm sets 5 s.
  { flags: ['--experimental-watch-progress-notify-interval=500ms'] },
);
