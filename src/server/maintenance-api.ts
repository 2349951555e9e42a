/** Alarms, status, hashes, defragmentation and snapshots as a client asks for them. */
import { etcdError } from '../base/etcd-error.ts';
import {
  AlarmAction,
  AlarmType,
  type AlarmRequest,
  type AlarmResponseInit,
  type HashKVResponseInit,
  type HashResponseInit,
  type StatusResponseInit,
} from '../gen/rpc.ts';
import type { Responses } from '../apply/applier.ts';
import { storageVersionOf } from '../membership/versions.ts';
import type { HashKv } from '../mvcc/hash-kv.ts';
import type { Gauge, Histogram } from '../ports/metrics.ts';
import type { Caller } from './caller.ts';
import type { ServerCore } from './core.ts';
import type { Flusher } from './flusher.ts';

/** Seconds, of what succeeded. */
export interface MaintenanceMetrics {
  readonly hashDuration: Histogram;
  readonly hashRevDuration: Histogram;
  readonly backendDefragDuration: Histogram;
  readonly defragInflight: Gauge;
}

export class MaintenanceApi {
  readonly #core: ServerCore;
  readonly #flusher: Flusher;
  readonly #metrics: MaintenanceMetrics | undefined;
  readonly #onDefragment: (isUnderWay: boolean) => void;
  /** Only one rewrites the file at a time, and one more waits, on behalf of everyone who asked meanwhile. */
  #defragmenting: Promise<void> = Promise.resolve();
  #nextDefragment: Promise<void> | undefined;

  /** `onDefragment`: called when one begins (true), and when it is over. */
  constructor(
    core: ServerCore,
    flusher: Flusher,
    metrics?: MaintenanceMetrics,
    onDefragment: (isUnderWay: boolean) => void = () => {},
  ) {
    this.#core = core;
    this.#metrics = metrics;
    this.#onDefragment = onDefragment;
    this.#flusher = flusher;
  }

  /** All three actions go through the log, GET too. Any user may ask; setting and clearing are for root. */
  async alarm(caller: Caller, request: AlarmRequest): Promise<AlarmResponseInit> {
    const { authenticator } = this.#core.parts;
    if (request.action === AlarmAction.GET) await authenticator.requireUser(caller);
    else await authenticator.requireAdmin(caller);
    const response = await this.#core.proposeFor(caller, { alarm: request }, { kind: 'alarm', request });
    return response as Responses['alarm'];
  }

  /** For any user. */
  status(caller: Caller): StatusResponseInit | Promise<StatusResponseInit> {
    const { auth, authenticator } = this.#core.parts;
    return auth.enabled ? authenticator.requireUser(caller).then(() => this.ownStatus()) : this.ownStatus();
  }

  /** For this server's own use. */
  ownStatus(): StatusResponseInit {
    const { store, node, applyLoop, backend, limits, memberId, cluster, serverVersion } = this.#core.parts;
    const { isEnabled: enabled, targetVersion } = cluster.downgrade;
    return {
      header: this.#core.header(store.currentRev),
      version: serverVersion,
      dbSize: backend.sizeBytes(),
      leader: node.leader,
      raftIndex: node.commitIndex,
      raftTerm: node.term,
      raftAppliedIndex: applyLoop.appliedIndex,
      errors: this.#errors(),
      dbSizeInUse: backend.sizeInUseBytes(),
      isLearner: cluster.member(memberId)?.isLearner ?? false,
      storageVersion: storageVersionOf(cluster.version) ?? '',
      dbSizeQuota: Number.isFinite(limits.quotaBytes) ? limits.quotaBytes : 0,
      downgradeInfo: { enabled, targetVersion },
    };
  }

  /** For root. */
  async hash(caller: Caller): Promise<HashResponseInit> {
    await this.#core.parts.authenticator.requireAdmin(caller);
    const { store, jobs } = this.#core.parts;
    const header = this.#core.header(store.currentRev);
    const { hash } = await this.#timed('hashDuration', () => jobs.run(store.hashJob()));
    return { header, hash };
  }

  /** For root. */
  async hashKv(caller: Caller, revision: number): Promise<HashKVResponseInit> {
    await this.#core.parts.authenticator.requireAdmin(caller);
    const { store, jobs } = this.#core.parts;
    const header = this.#core.header(store.currentRev);
    const work = (): Promise<HashKv> => jobs.run(store.hashKvJob(revision));
    const { hash, compactRevision, hashRevision } = await this.#timed('hashRevDuration', work);
    return { header, hash, compactRevision, hashRevision };
  }

  /** Rewrites the database file without its free pages. Reads and writes go on; flushes wait. For root. */
  async defragment(caller: Caller): Promise<void> {
    await this.#core.parts.authenticator.requireAdmin(caller);
    this.#nextDefragment ??= this.#defragmenting.then(() => {
      this.#nextDefragment = undefined;
      this.#metrics?.defragInflight.set(1);
      this.#onDefragment(true);
      const now = this.#timed('backendDefragDuration', () => this.#defragmentNow());
      const over = (): void => {
        this.#metrics?.defragInflight.set(0);
        this.#onDefragment(false);
      };
      this.#defragmenting = now.then(over, over);
      return now;
    });
    return this.#nextDefragment;
  }

  async #timed<T>(
    histogram: 'hashDuration' | 'hashRevDuration' | 'backendDefragDuration',
    work: () => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#core.parts;
    const startMs = clock.monotonicMs();
    const result = await work();
    this.#metrics?.[histogram].observe((clock.monotonicMs() - startMs) / 1000);
    return result;
  }

  #defragmentNow(): Promise<void> {
    const { backend, store, logger, clock } = this.#core.parts;
    const startMs = clock.monotonicMs();
    const before = backend.sizeBytes();
    return new Promise((resolve, reject) => {
      const work = (): void => {
        backend.defragment((error) => {
          // Else the file that was replaced stays open until the next flush.
          if (error === undefined) store.buffer.refreshBase();
          this.#flusher.release();
          if (error !== undefined) {
            logger.error('failed to defragment', { error: String(error) });
            reject(error);
            return;
          }
          const took = `${Math.round(clock.monotonicMs() - startMs)}ms`;
          logger.info('finished defragmenting', { 'size-before': before, 'size-after': backend.sizeBytes(), took });
          resolve();
        });
      };
      this.#flusher.flush(() => this.#flusher.hold(work));
    });
  }

  /** In Go's text form of the messages, as clients print them. */
  #errors(): string[] {
    const { node, alarms } = this.#core.parts;
    const errors = node.leader === 0n ? [etcdError('NoLeader').message] : [];
    for (const { memberID, alarm } of alarms.list(AlarmType.NONE)) {
      const name = Object.entries(AlarmType).find(([, value]) => value === alarm)?.[0] ?? String(alarm);
      errors.push(`memberID:${memberID} alarm:${name} `);
    }
    return errors;
  }
}
