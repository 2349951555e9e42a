/** Puts, deletes, transactions, ranges and compactions, each held to what the log makes of it. */
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { decodeKeyValue } from '../../../src/gen/mvccpb.ts';
import {
  decodeCompactionResponse,
  decodeDeleteRangeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeRangeStreamResponse,
  decodeTxnRequest,
  decodeTxnResponse,
  encodeCompactionRequest,
  encodeRangeRequest,
  encodeRangeResponse,
  type RangeResponse,
} from '../../../src/gen/rpc.ts';
import { KVService } from '../../../src/gen/services.ts';
import type { RegisterOperation } from '../../support/linearizable.ts';
import { answerRange, ofCompaction, ofDelete, ofPut, ofRange, ofTxn, rangeText, revisionOf } from '../model/answers.ts';
import { withTag } from '../model/tags.ts';
import type { Action, PutAction, RangeAction, TxnAction } from '../plan.ts';
import { require } from '../world/violation.ts';
import type { Called, Caller, Window } from './caller.ts';
import {
  deleteRequest,
  fillRequest,
  isReadOnly,
  type LeaseOfSlot,
  putRequest,
  swapRequest,
  txnRequest,
  valueOf,
} from './requests.ts';

/** Keys whose histories are checked for linearizability on their own: no leases, no ranges of deletes. */
export function isRegister(key: string): boolean {
  return key.startsWith('r');
}

/** By key. */
export type Registers = Map<string, RegisterOperation[]>;

const { Put, DeleteRange, Txn, Range, RangeStream, Compact } = KVService.methods;
const COMPACTED = etcdError('Compacted').message;
const FUTURE = etcdError('FutureRev').message;

export class KvClient {
  readonly #caller: Caller;
  readonly #nextTag: () => number;
  readonly #leaseOf: LeaseOfSlot;
  readonly #registers: Registers;

  constructor(caller: Caller, nextTag: () => number, leaseOf: LeaseOfSlot, registers: Registers) {
    this.#caller = caller;
    this.#nextTag = nextTag;
    this.#leaseOf = leaseOf;
    this.#registers = registers;
  }

  /** Whether it was answered, and not with an error that passes. */
  async put(action: PutAction): Promise<boolean> {
    const tag = this.#nextTag();
    const called = await this.#logged(Put.path, putRequest(action, tag, this.#leaseOf), tag, (bytes) => {
      const response = decodePutResponse(bytes);
      this.#caller.world.observe(response.header);
      return ofPut(response);
    });
    if (action.ignoreValue !== true) this.#wrote(called, action.key, toBinaryString(valueOf(tag, 0, action.bytes)));
    return called.outcome.kind === 'reply';
  }

  async delete(action: Extract<Action, { kind: 'delete' }>): Promise<void> {
    const tag = this.#nextTag();
    const called = await this.#logged(DeleteRange.path, deleteRequest(action, tag), tag, (bytes) => {
      const response = decodeDeleteRangeResponse(bytes);
      this.#caller.world.observe(response.header);
      return ofDelete(response);
    });
    if (action.end === undefined) this.#wrote(called, action.key, undefined);
  }

  async txn(action: TxnAction): Promise<void> {
    const tag = this.#nextTag();
    const request = txnRequest(action, tag, this.#leaseOf);
    if (isReadOnly(action)) return this.#readTxn(request);
    await this.#logged(Txn.path, request, tag, (bytes) => this.#txnText(bytes));
  }

  async fill(from: number, count: number): Promise<void> {
    const tag = this.#nextTag();
    await this.#logged(Txn.path, fillRequest(from, count, tag), tag, (bytes) => this.#txnText(bytes));
  }

  /** Any transaction; undefined when there is no answer. */
  async transact(request: Uint8Array, tag: number): Promise<Uint8Array | undefined> {
    const { outcome } = await this.#logged(Txn.path, request, tag, (bytes) => this.#txnText(bytes));
    return outcome.kind === 'reply' ? outcome.bytes : undefined;
  }

  async #readTxn(request: Uint8Array): Promise<void> {
    const { world, name } = this.#caller;
    const { reference } = world.log;
    const { outcome, window } = await this.#caller.call(Txn.path, request);
    if (outcome.kind === 'error') {
      const { error } = outcome;
      require(this.#caller.isTemporary(error), 'wrong answer', () => `reading txn got "${error.message}"`);
    }
    if (outcome.kind !== 'reply') return;
    const response = decodeTxnResponse(outcome.bytes);
    const revision = revisionOf(response);
    const actual = this.#txnText(outcome.bytes);
    world.line(`${name} gets ${actual}`);
    const latest = reference.revisionAt(window.answeredIndex);
    const decoded = decodeTxnRequest(request);
    // Without operations it is answered locally, as on etcd.
    const isLocal = decoded.success.length + decoded.failure.length === 0 && this.#caller.isCluster;
    const earliest = isLocal ? 0 : window.seenRevision;
    const isFresh = revision >= earliest && revision <= latest;
    require(isFresh, 'stale read', () => `${actual}, not between ${earliest} and ${latest}`);
    const expected = reference.readTxn(decoded, revision);
    require(actual === expected, 'wrong answer', () => `reading txn got "${actual}", should be "${expected}"`);
  }

  async compact(back: number, physical: boolean): Promise<void> {
    const tag = this.#nextTag();
    // Not at 0, which is accepted once: the hash that this makes answers for the current revision from then on, as etcd's does.
    const revision = Math.max(1, this.#caller.world.seenRevision - back);
    const request = withTag(encodeCompactionRequest({ revision, physical }), tag);
    await this.#logged(Compact.path, request, tag, (bytes) => {
      const response = decodeCompactionResponse(bytes);
      this.#caller.world.observe(response.header);
      return ofCompaction(response);
    });
  }

  async range(action: RangeAction): Promise<RangeResponse | undefined> {
    const { world } = this.#caller;
    const { key, end = '', back, limit = 0, keysOnly = false, countOnly = false, serializable = false } = action;
    const revision = back === undefined ? 0 : Math.max(1, world.seenRevision - back);
    const request = encodeRangeRequest({
      key: fromBinaryString(key),
      rangeEnd: fromBinaryString(end),
      revision,
      limit,
      keysOnly,
      countOnly,
      serializable,
    });
    const called = await (action.stream === true ? this.#rangeStream(request) : this.#caller.call(Range.path, request));
    const { outcome, window } = called;
    if (outcome.kind === 'error') this.#judgeRefusedRange(action, outcome.error.message, called, revision);
    if (outcome.kind !== 'reply') return undefined;
    const response = decodeRangeResponse(outcome.bytes);
    world.observe(response.header);
    this.#judgeRange(action, response, window, revision);
    const isPlain = revision === 0 && end === '' && !keysOnly && !countOnly && !serializable;
    if (isPlain && isRegister(key))
      this.#note(key, { ...times(called, world.nowMs), kind: 'read', value: valueIn(response) });
    return response;
  }

  /** As one call: its chunks put together. */
  #rangeStream(request: Uint8Array): Promise<Called> {
    const chunks: RangeResponse[] = [];
    return this.#caller.gather(
      RangeStream.path,
      request,
      (bytes) => void chunks.push(decodeRangeStreamResponse(bytes).rangeResponse as RangeResponse),
      () => {
        const last = chunks.at(-1);
        require(last?.header !== undefined, 'wrong answer', () => `${chunks.length} chunks, and no header`);
        if (chunks.length > 1) this.#caller.world.marks.hit('rangeInChunks');
        return encodeRangeResponse({ ...last, kvs: chunks.flatMap(({ kvs }) => kvs) });
      },
    );
  }

  async swap(key: string): Promise<void> {
    const read = await this.range({ kind: 'range', key });
    if (read === undefined) return;
    const [encoded] = read.kvs;
    const modRevision = encoded === undefined ? 0 : decodeKeyValue(encoded).modRevision;
    const tag = this.#nextTag();
    let done: boolean | undefined;
    const called = await this.#logged(Txn.path, swapRequest(key, modRevision, tag), tag, (bytes) => {
      done = decodeTxnResponse(bytes).succeeded;
      return this.#txnText(bytes);
    });
    if (!isRegister(key) || called.outcome.kind === 'refused') return;
    const to = toBinaryString(valueOf(tag, 0));
    // Values are unique, so that a value stands for its revision.
    this.#note(key, { ...times(called, this.#caller.world.nowMs), kind: 'swap', from: valueIn(read), to, done });
  }

  #txnText(bytes: Uint8Array): string {
    const response = decodeTxnResponse(bytes);
    this.#caller.world.observe(response.header);
    return ofTxn(response);
  }

  async #logged(path: string, request: Uint8Array, tag: number, text: (reply: Uint8Array) => string): Promise<Called> {
    const { world, name } = this.#caller;
    world.log.invoked(tag, request);
    world.line(`${name} asks #${tag} ${path.slice(path.lastIndexOf('/') + 1)}`);
    const called = await this.#caller.call(path, request);
    const { outcome } = called;
    const answer = outcome.kind === 'reply' ? text(outcome.bytes) : undefined;
    const said = outcome.kind === 'error' ? outcome.error.message : (answer ?? outcome.kind);
    world.line(`${name} gets #${tag} ${said}`);
    this.#caller.judgeLogged(tag, called, answer);
    return called;
  }

  #judgeRange(action: RangeAction, response: RangeResponse, window: Window, revision: number): void {
    const { world } = this.#caller;
    const { reference } = world.log;
    const { key, end = '', limit = 0, keysOnly = false, countOnly = false, serializable = false } = action;
    const headerRev = revisionOf(response);
    const latest = reference.revisionAt(window.answeredIndex);
    const mayBeOld = serializable && this.#caller.isCluster;
    const earliest = mayBeOld ? 0 : window.seenRevision;
    require(headerRev >= earliest && headerRev <= latest, 'stale read', () => {
      return `${key} read at ${headerRev}, not between ${earliest} and ${latest}`;
    });
    const at = revision === 0 ? headerRev : revision;
    if (revision > 0) world.marks.hit('pastRead');
    const compactRev = mayBeOld ? -1 : reference.compactRevAt(window.invokedIndex);
    require(at <= headerRev && at >= compactRev, 'wrong answer', () => {
      return `${key} read at ${at}, current ${headerRev}, compacted ${compactRev}`;
    });
    const found = answerRange(reference.store.range(key, end, at), { limit, keysOnly, countOnly });
    const expected = rangeText(headerRev, found);
    const actual = ofRange(response);
    require(actual === expected, 'wrong answer', () => `range of ${key} got "${actual}", should be "${expected}"`);
  }

  #judgeRefusedRange(action: RangeAction, message: string, { outcome, window }: Called, revision: number): void {
    const { world } = this.#caller;
    if (outcome.kind !== 'error' || this.#caller.isTemporary(outcome.error)) return;
    const isCompacted = message === COMPACTED && revision < world.log.reference.compactRevAt(window.answeredIndex);
    const mayBeOld = action.serializable === true && this.#caller.isCluster;
    const isFuture = message === FUTURE && revision > (mayBeOld ? 0 : window.seenRevision);
    if (isCompacted) world.marks.hit('pastReadCompacted');
    if (isFuture) world.marks.hit('futureRead');
    require(isCompacted || isFuture, 'wrong answer', () => `range at revision ${revision} got "${message}"`);
  }

  #wrote(called: Called, key: string, value: string | undefined): void {
    const { outcome } = called;
    if (!isRegister(key) || outcome.kind === 'refused') return;
    if (outcome.kind === 'error' && !this.#caller.isTemporary(outcome.error)) return;
    this.#note(key, { ...times(called, this.#caller.world.nowMs), kind: 'write', value });
  }

  #note(key: string, operation: RegisterOperation): void {
    const history = this.#registers.get(key);
    if (history === undefined) this.#registers.set(key, [operation]);
    else history.push(operation);
  }
}

function times({ outcome, window }: Called, nowMs: number): { callMs: number; returnMs: number } {
  return { callMs: window.invokedMs, returnMs: outcome.kind === 'reply' ? nowMs : Infinity };
}

function valueIn({ kvs: [encoded] }: RangeResponse): string | undefined {
  return encoded === undefined ? undefined : toBinaryString(decodeKeyValue(encoded).value);
}
