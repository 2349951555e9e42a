/** Events that end with their lease; leaders by coordination Leases; health. */
import { type Check, type Context, eventually, expectEqual, expectThat, isGone } from '../check.ts';
import { Contender } from '../leader-election.ts';
import { at, pathOf } from '../kube-object.ts';

const events = (context: Context): string => pathOf('v1', 'events', context.namespace);

async function createEvent(context: Context, name: string): Promise<void> {
  await context.client.create(events(context), {
    metadata: { name },
    involvedObject: { kind: 'Namespace', name: context.namespace, namespace: context.namespace },
    reason: 'Checked',
    message: 'written by the compliance suite',
    type: 'Normal',
  });
}

export const eventChecks: readonly Check[] = [
  {
    name: 'event: create',
    run: async (context) => {
      await createEvent(context, 'kept');
      const read = await context.client.get(`${events(context)}/kept`);
      expectEqual(at(read, 'reason'), 'Checked', 'the reason');
    },
  },
  {
    name: 'event: expires by its lease, and a watch hears of it',
    impossible: ({ eventTtlMs }) => (eventTtlMs === undefined ? 'events live for 1 h; see --event-ttl' : undefined),
    run: async (context) => {
      const ttlMs = context.eventTtlMs ?? 0;
      const { metadata } = await context.client.list(events(context));
      const watch = await context.other.watch(events(context), {
        resourceVersion: metadata.resourceVersion,
        fieldSelector: 'metadata.name=short-lived',
      });
      try {
        const beganMs = performance.now();
        await createEvent(context, 'short-lived');
        expectEqual((await watch.next(context.patienceMs)).type, 'ADDED', 'the first that the watch told');
        expectEqual((await watch.next(ttlMs * 2 + context.patienceMs)).type, 'DELETED', 'the second');
        const livedMs = performance.now() - beganMs;
        // Objects may share a lease that was granted a little earlier.
        expectThat(livedMs > ttlMs * 0.5, `it lived for ${livedMs.toFixed(0)} ms of ${ttlMs}`);
        expectThat(await isGone(context.client.get(`${events(context)}/short-lived`)), 'it is still there');
      } finally {
        watch.close();
      }
    },
  },
];

/** Looks at the contenders as often as it can. */
class Observer {
  readonly holders: string[] = [];
  #two: string | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(contenders: readonly Contender[]) {
    this.#timer = setInterval(() => {
      const leading = contenders.filter((contender) => contender.believesToLead).map(({ name }) => name);
      if (leading.length > 1) this.#two ??= leading.join(' and ');
      const [leader] = leading;
      if (leader !== undefined && this.holders.at(-1) !== leader) this.holders.push(leader);
    }, 10);
  }

  /** Throws when two were seen to lead at the same time. */
  check(): void {
    expectThat(this.#two === undefined, `${this.#two} led at the same time`);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

const HAND_OVER_MS = 15_000;

export const electionCheck: Check = {
  name: 'leader election: one holder; another after it stops, and after it dies; never two',
  run: async (context) => {
    const path = pathOf('coordination.k8s.io/v1', 'leases', context.namespace);
    const timing = { durationMs: context.leaderLeaseMs, renewMs: context.leaderLeaseMs / 6 };
    const contenders = ['anna', 'ben', 'cleo'].map(
      (name, i) => new Contender(name, i === 0 ? context.client : context.other, path, 'leader', timing),
    );
    const observer = new Observer(contenders);
    /** Who leads, as soon as it is somebody else; within the time for that, with some for a slow machine. */
    const next = async (than: Contender | undefined, withinMs: number): Promise<Contender> => {
      const beganMs = performance.now();
      let found: Contender | undefined;
      await eventually(context, 'somebody (else) leads', async () => {
        found = contenders.find((contender) => contender.believesToLead && contender !== than);
        return found !== undefined;
      });
      const tookMs = performance.now() - beganMs;
      expectThat(tookMs < withinMs + context.patienceMs / 4, `hand-over took ${tookMs.toFixed(0)} ms`);
      expectThat(found !== undefined, 'nobody leads');
      return found;
    };
    try {
      for (const contender of contenders) contender.start();
      const first = await next(undefined, HAND_OVER_MS);
      const lease = await context.client.get(`${path}/leader`);
      expectEqual(at(lease, 'spec.holderIdentity'), first.name, 'the holder in the Lease');
      // Stops in an orderly way: the Lease is released.
      await first.stop();
      const second = await next(first, HAND_OVER_MS);
      // Dies without a word: the Lease has to run out.
      second.die();
      await next(second, timing.durationMs + HAND_OVER_MS);
      observer.check();
      expectThat(new Set(observer.holders).size >= 2, `holders were ${observer.holders.join(', ')}`);
    } finally {
      for (const contender of contenders) contender.die();
      observer.stop();
    }
  },
};

export const healthCheck: Check = {
  name: 'API server: ready, its etcd healthy',
  run: async ({ client }) => {
    const text = await client.text('/readyz', { verbose: true });
    expectThat(/\[\+\]etcd ok/.test(text), `readyz: ${text.slice(0, 300)}`);
    const live = await client.text('/livez');
    expectEqual(live, 'ok', 'livez');
  },
};
