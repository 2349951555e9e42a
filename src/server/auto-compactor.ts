/** On the leader: compacts by itself, as --auto-compaction-mode and --auto-compaction-retention say. */
import { EtcdError, etcdError } from '../base/etcd-error.ts';
import { goDuration } from '../base/go-duration.ts';
import { encodeCompactionRequest } from '../gen/rpc.ts';
import type { LogFields } from '../ports/logger.ts';
import { compactionSchedule, type AutoCompaction, type CompactionSchedule } from './compaction-schedule.ts';
import type { ServerCore } from './core.ts';

export class AutoCompactor {
  readonly #core: ServerCore;
  readonly #wanted: AutoCompaction;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(core: ServerCore, wanted: AutoCompaction) {
    this.#core = core;
    this.#wanted = wanted;
  }

  start(): void {
    const { clock, store } = this.#core.parts;
    this.#wait(compactionSchedule(this.#wanted, clock.monotonicMs(), store.currentRev));
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  /** One at a time: the next look comes an interval after this one has ended. */
  #wait(schedule: CompactionSchedule): void {
    if (this.#isStopped) return;
    this.#cancel = this.#core.parts.clock.after(schedule.intervalMs, () => {
      void this.#look(schedule).finally(() => this.#wait(schedule));
    });
  }

  async #look(schedule: CompactionSchedule): Promise<void> {
    const { clock, store, node } = this.#core.parts;
    const target = schedule.due(clock.monotonicMs(), store.currentRev);
    if (target === undefined || !node.isLeader) return;
    if (await this.#compact(target, schedule.intervalMs)) schedule.done(clock.monotonicMs(), target);
  }

  /** Whether nothing is left to be done: a client may have compacted that far. */
  async #compact(revision: number, retryMs: number): Promise<boolean> {
    const { clock, logger, node } = this.#core.parts;
    const { mode } = this.#wanted;
    const fields = { revision, ...this.#retention() };
    const startMs = clock.monotonicMs();
    logger.info(`starting auto ${mode} compaction`, fields);
    try {
      const request = { revision, physical: false };
      const compaction = encodeCompactionRequest(request);
      await this.#core.proposeInternal({ compaction }, { kind: 'compaction', request }, node.term);
    } catch (error) {
      if (!isCompacted(error)) {
        const retry = { 'retry-interval': goDuration(retryMs), error: String(error) };
        logger.warn(`failed auto ${mode} compaction`, { ...fields, ...retry });
        return false;
      }
    }
    logger.info(`completed auto ${mode} compaction`, { ...fields, took: goDuration(clock.monotonicMs() - startMs) });
    return true;
  }

  #retention(): LogFields {
    return this.#wanted.mode === 'periodic'
      ? { 'compact-period': goDuration(this.#wanted.retentionMs) }
      : { 'revision-compaction-retention': this.#wanted.retentionRevisions };
  }
}

function isCompacted(error: unknown): boolean {
  return error instanceof EtcdError && error.message === etcdError('Compacted').message;
}
