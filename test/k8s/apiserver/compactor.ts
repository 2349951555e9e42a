import { setTimeout as sleep } from 'node:timers/promises';
import type { RawClient } from '../../support/raw-client.ts';
import { text } from '../../support/values.ts';
import { KubeStore } from '../../conformance/k8s/kube-store.ts';
import { isCompacted } from './errors.ts';
import type { ModelContext } from './resource-client.ts';

const KEY = 'compact_rev_key';

/** The compaction of an API server: all of them try at intervals, one wins, and history older than one interval goes. */
export class Compactor {
  readonly #client: RawClient;
  readonly #context: ModelContext;
  /** What this one knows of the key. */
  #version = 0n;
  #revision = 0n;
  #compacted = 0n;

  constructor(client: RawClient, context: ModelContext) {
    this.#client = client;
    this.#context = context;
  }

  /** One turn: claims the right to compact at the revision of the last turn. */
  async turn(): Promise<void> {
    const { succeeded, header, responses } = await this.#client.txn({
      compare: [{ target: 'VERSION', result: 'EQUAL', key: KEY, version: this.#version }],
      success: [{ request_put: { key: KEY, value: String(this.#revision) } }],
      failure: [{ request_range: { key: KEY } }],
    });
    if (!succeeded) {
      const kv = responses[0]?.response_range?.kvs[0];
      this.#context.findings.hold(kv !== undefined && kv.version !== this.#version, 'one compacts', () => {
        return `version ${this.#version} was refused; it is ${kv?.version}`;
      });
      this.#version = kv?.version ?? 0n;
      this.#revision = header.revision;
      return;
    }
    this.#version++;
    const at = this.#revision;
    this.#revision = header.revision;
    if (at === 0n) return;
    await this.#client.compact({ revision: at });
    this.#compacted = at;
    this.#context.figures.compactions++;
    await this.#expectGone();
  }

  /** Lists and watches from before end as Kubernetes expects: 410 Gone; at the compacted revision there is a list. */
  async #expectGone(): Promise<void> {
    const { findings } = this.#context;
    const store = new KubeStore(this.#client);
    const at = Number(this.#compacted);
    const rule = 'what was compacted is gone';
    const old = await store.page('/registry/pods/', 10, '/registry/pods/', at - 1).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (old !== undefined && !isCompacted(old) && this.#context.errors.isFault) throw old;
    findings.hold(isCompacted(old), rule, () => `a list at ${at - 1}, compacted at ${at}: ${String(old)}`);
    const watch = this.#client.watch({ metadata: { hasleader: 'true' } });
    watch.send({
      create_request: { key: '/registry/pods/', range_end: '/registry/pods0', start_revision: at - 1, prev_kv: true },
    });
    try {
      let answer = await watch.next(15_000);
      if (answer.created && !answer.canceled) answer = await watch.next(15_000);
      findings.hold(answer.canceled && Number(answer.compact_revision) >= at, rule, () => {
        return `a watch from ${at - 1}: canceled ${answer.canceled}, compact_revision ${answer.compact_revision}`;
      });
    } finally {
      watch.cancel();
    }
    await store.page('/registry/pods/', 10);
  }
}

/** As an API server follows the key, to learn of what others compacted. */
export async function watchCompactKey(
  client: RawClient,
  isStopped: () => boolean,
  context: ModelContext,
): Promise<void> {
  let last = 0n;
  while (!isStopped()) {
    try {
      const stream = client.watch({ metadata: { hasleader: 'true' } });
      stream.send({ create_request: { key: KEY } });
      await stream.next(15_000);
      while (!isStopped()) {
        const { events } = await stream.next(1_000).catch((error: unknown) => {
          if (String(error).includes('no message within')) return { events: [] };
          throw error;
        });
        for (const { kv } of events) {
          const revision = BigInt(text(kv.value));
          context.findings.hold(revision >= last, 'compactions go forward', () => `${revision} after ${last}`);
          last = revision;
        }
      }
      stream.cancel();
    } catch (error) {
      if (isStopped()) return;
      context.errors.noteWatch(error);
      await sleep(50);
    }
  }
}
