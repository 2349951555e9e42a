/** Range, Put, DeleteRange, Txn and Compact as a client asks for them. Requests that go through the log come encoded too. */
import { authorizeRange, authorizeTxn } from '../apply/authorize.ts';
import { readOnlyTxn } from '../apply/kv.ts';
import { putCost, txnCost } from '../apply/quota-cost.ts';
import { isSerializableTxn, readsSingleKeys } from '../apply/txn-kind.ts';
import { validateDeleteRange, validatePut, validateRange, validateTxn } from '../apply/validate.ts';
import { etcdError } from '../base/etcd-error.ts';
import { AlarmType, encodeRangeResponse, encodeTxnResponse } from '../gen/rpc.ts';
import type {
  CompactionRequest,
  CompactionResponseInit,
  DeleteRangeRequest,
  DeleteRangeResponseInit,
  PutRequest,
  PutResponseInit,
  RangeRequest,
  TxnRequest,
  TxnResponseInit,
} from '../gen/rpc.ts';
import type { Caller } from './caller.ts';
import type { Compactor } from './compactor.ts';
import type { ServerCore } from './core.ts';
import type { HeldBytes } from './held-bytes.ts';
import { LargeReads } from './large-reads.ts';
import { MeasuredReads, type ReadDurations } from './measured-reads.ts';
import { RangeAnswerJob } from './range-answer-job.ts';
import { TxnAnswerJob, encodeTxnAnswer } from './txn-answer-job.ts';

export class KvApi {
  readonly #core: ServerCore;
  readonly #compactor: Compactor;
  readonly #reads: MeasuredReads;
  readonly #large: LargeReads;

  constructor(core: ServerCore, compactor: Compactor, held: HeldBytes, durations?: ReadDurations) {
    this.#core = core;
    this.#reads = new MeasuredReads(core.parts.clock, durations);
    this.#compactor = compactor;
    this.#large = new LargeReads(core.parts.jobs, held);
  }

  /** One key's answer comes at once, without a promise: nothing else may run between the read and its header. */
  range(caller: Caller, request: RangeRequest): Uint8Array[] | Promise<Uint8Array[]> {
    validateRange(request);
    const waiting = request.serializable ? undefined : this.#core.linearizable();
    if (waiting === undefined && request.rangeEnd.length === 0 && !this.#core.parts.auth.enabled) {
      return this.#reads.atOnce('Range', () => this.#readNow(caller, request));
    }
    return this.#reads.run('Range', waiting, () => this.#read(caller, request));
  }

  put(caller: Caller, request: PutRequest, encoded: Uint8Array): Promise<PutResponseInit> {
    this.#refuseWithoutRoom(putCost(request));
    validatePut(request);
    return this.#core.propose(caller, 'put', encoded, { kind: 'put', request });
  }

  deleteRange(caller: Caller, request: DeleteRangeRequest, encoded: Uint8Array): Promise<DeleteRangeResponseInit> {
    validateDeleteRange(request);
    return this.#core.propose(caller, 'deleteRange', encoded, { kind: 'deleteRange', request });
  }

  /** One that writes: see readTxn. */
  txn(caller: Caller, request: TxnRequest, encoded: Uint8Array): Promise<TxnResponseInit> {
    const cost = txnCost(request);
    if (cost > 0) this.#refuseWithoutRoom(cost);
    validateTxn(request, this.#core.parts.limits.txnOpsMax);
    return this.#core.propose(caller, 'txn', encoded, { kind: 'txn', request });
  }

  /** One that isReadOnlyTxn. The encoded answer in pieces. */
  readTxn(caller: Caller, request: TxnRequest): Uint8Array[] | Promise<Uint8Array[]> {
    validateTxn(request, this.#core.parts.limits.txnOpsMax);
    const waiting = isSerializableTxn(request) ? undefined : this.#core.linearizable();
    return this.#reads.run('ReadonlyTxn', waiting, () => this.#readTxn(caller, request));
  }

  /** With `physical` the answer comes when the old revisions are gone and that is on disk. */
  async compact(caller: Caller, request: CompactionRequest, encoded: Uint8Array): Promise<CompactionResponseInit> {
    await this.#core.parts.authenticator.requireAdmin(caller);
    const response = await this.#core.propose(caller, 'compaction', encoded, { kind: 'compaction', request });
    if (request.physical) await this.#compactor.whenDone();
    return response;
  }

  #read(caller: Caller, request: RangeRequest): Uint8Array[] | Promise<Uint8Array[]> {
    return this.#core.parts.auth.enabled ? this.#readAs(caller, request) : this.#readNow(caller, request);
  }

  async #readAs(caller: Caller, request: RangeRequest): Promise<Uint8Array[]> {
    const { authenticator } = this.#core.parts;
    const who = await authenticator.permit(caller, (auth, user) => authorizeRange(auth, user, request));
    const answer = await this.#readNow(caller, request);
    authenticator.checkFresh(who);
    return answer;
  }

  #readTxn(caller: Caller, request: TxnRequest): Uint8Array[] | Promise<Uint8Array[]> {
    return this.#core.parts.auth.enabled ? this.#readTxnAs(caller, request) : this.#readTxnNow(caller, request);
  }

  async #readTxnAs(caller: Caller, request: TxnRequest): Promise<Uint8Array[]> {
    const { auth, authenticator, store } = this.#core.parts;
    const keysOf = (id: bigint): readonly Uint8Array[] => store.keysOf(id);
    const who = await authenticator.permit(caller, (_, user) => authorizeTxn(auth, keysOf, user, request));
    const answer = await this.#readTxnNow(caller, request);
    authenticator.checkFresh(who);
    return answer;
  }

  /** As #readNow: with ranges in slices, all at one revision. */
  #readTxnNow(caller: Caller, request: TxnRequest): Uint8Array[] | Promise<Uint8Array[]> {
    const { store } = this.#core.parts;
    if (!readsSingleKeys(request)) return this.#readTxnSliced(caller, request);
    return [encodeTxnResponse(this.#core.withHeader(readOnlyTxn(store, request)))];
  }

  async #readTxnSliced(caller: Caller, request: TxnRequest): Promise<Uint8Array[]> {
    const { store } = this.#core.parts;
    const answer = await this.#large.run(caller, () => new TxnAnswerJob(store, request));
    return encodeTxnAnswer(answer, this.#core.header(answer.revision));
  }

  /** The encoded answer in pieces. Longer ranges are read in slices, all at the revision of the first. */
  #readNow(caller: Caller, request: RangeRequest): Uint8Array[] | Promise<Uint8Array[]> {
    const { store } = this.#core.parts;
    if (request.rangeEnd.length > 0) return this.#readSliced(caller, request);
    const { revision, kvs, count, more } = store.range(request);
    return [encodeRangeResponse({ header: this.#core.header(revision), kvs, count, more })];
  }

  async #readSliced(caller: Caller, request: RangeRequest): Promise<Uint8Array[]> {
    const { store } = this.#core.parts;
    const { revision, builder, count, more } = await this.#large.run(caller, () => {
      return new RangeAnswerJob((builder) => store.rangeJob(request, builder));
    });
    return builder.finish(this.#core.header(revision), count, more);
  }

  #refuseWithoutRoom(costBytes: number): void {
    if (this.#core.parts.alarms.isActive(AlarmType.NOSPACE)) throw etcdError('NoSpace');
    if (this.#core.hasRoom(costBytes)) return;
    // The refusal does not wait for the alarm, which keeps the next ones out on every member.
    void this.#core.raiseNoSpace();
    throw etcdError('NoSpace');
  }
}
