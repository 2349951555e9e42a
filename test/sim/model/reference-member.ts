/**
 * What the log makes of a member: applies every committed entry once, in order, and remembers how things stood after each.
 * Members are held to it: what they answer, what they send to watchers, and what they hold.
 */
import { compareBytes, toBinaryString, toHex } from '../../../src/base/bytes.ts';
import { crc32c } from '../../../src/base/crc32c.ts';
import { EtcdError, etcdError } from '../../../src/base/etcd-error.ts';
import { commandOf, type Command } from '../../../src/apply/command.ts';
import { decodeInternalRaftRequest, type InternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import { decodeConfChange, EntryType, type Entry } from '../../../src/gen/raftpb.ts';
import {
  AlarmAction,
  AlarmType,
  type AlarmRequest,
  type Compare,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from '../../../src/gen/rpc.ts';
import { fromBinaryString } from '../../../src/base/bytes.ts';
import { answerRange, deleteText, putText, rangeText, txnText } from './answers.ts';
import { changeOf, type MembershipChange, ReferenceCluster } from './reference-cluster.ts';
import { ReferenceStore } from './reference-store.ts';
import { tagOf } from './tags.ts';
import { versionText, type Version } from './versions.ts';

export interface ReferenceLease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  /** It lives after entries from `from` up to but without `to`. */
  readonly from: number;
  to: number;
}

/** What came of an entry. */
export interface Applied {
  readonly index: number;
  readonly command: Command;
  readonly tag: number | undefined;
  /** The answer as text; undefined for commands that answer nothing. */
  readonly answer: string | undefined;
  readonly error: EtcdError | undefined;
  /** Of the members, carried out. */
  readonly change: MembershipChange | undefined;
}

export class ReferenceMember {
  readonly store = new ReferenceStore();
  readonly cluster = new ReferenceCluster();
  /** Every lease there ever was. An id may come again after its lease is gone. */
  readonly leases = new Map<bigint, ReferenceLease[]>();
  /** Whether the cluster has agreed on a version: before, nobody can join. */
  hasVersion = false;
  readonly #ttlSecondsMin: number;
  /** What identifies the entry at each index. */
  readonly #entries: string[] = ['none'];
  /** After the entry at each index. */
  readonly #revisions: number[] = [1];
  readonly #compactRevs: number[] = [-1];
  readonly #alarms = new Set<string>();

  constructor(ttlSecondsMin: number) {
    this.#ttlSecondsMin = ttlSecondsMin;
  }

  /** Of the last entry. */
  get index(): number {
    return this.#entries.length - 1;
  }

  revisionAt(index: number): number {
    return this.#revisions[index] as number;
  }

  compactRevAt(index: number): number {
    return this.#compactRevs[index] as number;
  }

  hasAlarm(memberID: bigint, type: number): boolean {
    return this.#alarms.has(alarmName(memberID, type));
  }

  get alarmCount(): number {
    return this.#alarms.size;
  }

  leaseAt(id: bigint, index: number): ReferenceLease | undefined {
    return this.leases.get(id)?.find((lease) => lease.from <= index && index < lease.to);
  }

  leasesAt(index: number): ReferenceLease[] {
    return [...this.leases.values()].flat().filter((lease) => lease.from <= index && index < lease.to);
  }

  /** Whether `entry` is the one known at its index; undefined when none is known yet. */
  knows(entry: Entry): boolean | undefined {
    const known = this.#entries[entry.index];
    return known === undefined ? undefined : known === identityOf(entry);
  }

  /** Applies the next entry. */
  apply(entry: Entry): Applied {
    const index = this.index + 1;
    const request = decoded(entry);
    const command: Command = request === undefined ? { kind: 'none' } : commandOf(request);
    const tag = request === undefined ? undefined : taggedWith(request);
    const { answer, error, change } = this.#attempt(entry, command, index);
    this.#entries.push(identityOf(entry));
    this.#revisions.push(this.store.revision);
    this.#compactRevs.push(this.store.compactRev);
    return { index, command, tag, answer, error, change };
  }

  #attempt(entry: Entry, command: Command, index: number): Pick<Applied, 'answer' | 'error' | 'change'> {
    const nothing = { answer: undefined, error: undefined, change: undefined };
    try {
      if (entry.type !== EntryType.EntryNormal) {
        return { ...nothing, change: this.cluster.change(decodeConfChange(entry.data), index) };
      }
      return { ...nothing, answer: this.#run(command, index) };
    } catch (error) {
      if (error instanceof EtcdError) return { ...nothing, error };
      throw error;
    } finally {
      this.store.commit();
    }
  }

  #run(command: Command, index: number): string | undefined {
    const { store } = this;
    const growing = command.kind === 'put' || command.kind === 'leaseGrant' || isGrowingTxn(command);
    if (growing && [...this.#alarms].some((name) => name.endsWith(`/${AlarmType.NOSPACE}`))) throw etcdError('NoSpace');
    switch (command.kind) {
      case 'put':
        this.#checkPut(command.request, index);
        return this.#put(command.request);
      case 'deleteRange':
        return this.#delete(command.request);
      case 'txn':
        return this.#txn(command.request, index);
      case 'compaction': {
        const { revision } = command.request;
        if (revision <= store.compactRev) throw etcdError('Compacted');
        if (revision > store.revision) throw etcdError('FutureRev');
        store.compactRev = revision;
        return `compacted at ${store.revision}`;
      }
      case 'leaseGrant':
        return this.#grant(command.request.ID, command.request.TTL, index);
      case 'leaseRevoke':
        return this.#revoke(command.request.ID, index);
      case 'alarm':
        this.#alarm(command.request);
        return undefined;
      case 'clusterVersionSet':
        this.hasVersion = true;
        return undefined;
      case 'memberAttrSet': {
        const { memberID, memberAttributes } = command.request;
        this.cluster.publish(memberID, memberAttributes?.name ?? '', memberAttributes?.clientUrls ?? [], index);
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #grant(id: bigint, ttlSeconds: number, index: number): string {
    if (this.leaseAt(id, index - 1) !== undefined) throw etcdError('LeaseExist');
    const granted = Math.max(ttlSeconds, this.#ttlSecondsMin);
    const lease = { id, ttlSeconds: granted, from: index, to: Infinity };
    this.leases.set(id, [...(this.leases.get(id) ?? []), lease]);
    return `granted ${id} for ${granted} at ${this.store.revision}`;
  }

  #revoke(id: bigint, index: number): string {
    const lease = this.leaseAt(id, index - 1);
    if (lease === undefined) throw etcdError('LeaseNotFound');
    lease.to = index;
    for (const key of this.store.keysOf(id, this.store.revision)) this.store.delete(key, '');
    return `revoked at ${this.store.openRevision}`;
  }

  #alarm({ action, memberID, alarm }: AlarmRequest): void {
    if (action === AlarmAction.ACTIVATE && alarm !== AlarmType.NONE) this.#alarms.add(alarmName(memberID, alarm));
    if (action === AlarmAction.DEACTIVATE) this.#alarms.delete(alarmName(memberID, alarm));
  }

  #checkPut({ key, lease, ignoreValue, ignoreLease }: PutRequest, index: number): void {
    if ((ignoreValue || ignoreLease) && this.store.get(toBinaryString(key)) === undefined)
      throw etcdError('KeyNotFound');
    if (lease !== 0n && this.leaseAt(lease, index - 1) === undefined) throw etcdError('LeaseNotFound');
  }

  #put(request: PutRequest): string {
    const key = toBinaryString(request.key);
    const old = this.store.get(key);
    const value = request.ignoreValue && old !== undefined ? old.value : toBinaryString(request.value);
    const lease = request.ignoreLease && old !== undefined ? old.lease : request.lease;
    this.store.put(key, value, lease);
    return putText(this.store.openRevision, request.prevKv && old !== undefined ? versionText(old) : undefined);
  }

  #delete({ key, rangeEnd, prevKv }: DeleteRangeRequest): string {
    const gone = this.store.delete(toBinaryString(key), toBinaryString(rangeEnd));
    const shown = prevKv ? gone.map((version) => versionText(version)) : [];
    return deleteText(this.store.openRevision, gone.length, shown);
  }

  /** The answer to a transaction that only reads, had it been made at that revision. */
  readTxn({ compare, success, failure }: TxnRequest, revision: number): string {
    const succeeded = compare.every((one) => this.#holds(one, revision));
    const parts = (succeeded ? success : failure).map(({ requestRange }) => {
      if (requestRange === undefined) throw new Error('not a transaction that only reads');
      return this.#range(requestRange, revision);
    });
    return txnText(revision, succeeded, parts);
  }

  #range({ key, rangeEnd, limit, keysOnly, countOnly }: RangeRequest, revision: number): string {
    const all = this.store.range(toBinaryString(key), toBinaryString(rangeEnd), revision);
    return rangeText(revision, answerRange(all, { limit, keysOnly, countOnly }));
  }

  /** Nested transactions and reads of the past within one are not among what the simulator's clients ask for. */
  #txn({ compare, success, failure }: TxnRequest, index: number): string {
    const succeeded = compare.every((one) => this.#holds(one, this.store.revision));
    const ops = succeeded ? success : failure;
    for (const { requestPut } of ops) if (requestPut !== undefined) this.#checkPut(requestPut, index);
    const parts = ops.map((op) => this.#op(op));
    return txnText(this.store.openRevision, succeeded, parts);
  }

  #op({ requestPut, requestDeleteRange, requestRange }: RequestOp): string {
    if (requestPut !== undefined) return this.#put(requestPut);
    if (requestDeleteRange !== undefined) return this.#delete(requestDeleteRange);
    if (requestRange !== undefined) return this.#range(requestRange, this.store.openRevision);
    throw etcdError('KeyNotFound');
  }

  /** EQUAL and GREATER of VERSION, CREATE, MOD and VALUE: what the simulator's clients ask for. */
  #holds(compare: Compare, revision: number): boolean {
    const { key, target, result, version, createRevision, modRevision, value } = compare;
    const subject = this.store.at(toBinaryString(key), revision);
    const order = [
      (subject?.version ?? 0) - (version ?? 0),
      (subject?.createRevision ?? 0) - (createRevision ?? 0),
      (subject?.main ?? 0) - (modRevision ?? 0),
      subject === undefined ? NaN : compareBytes(fromBinaryString(subject.value), value ?? new Uint8Array(0)),
    ][target];
    if (order === undefined || result > 1) throw new Error(`comparison of target ${target}, result ${result}`);
    return result === 0 ? order === 0 : order > 0;
  }
}

function isGrowingTxn(command: Command): boolean {
  if (command.kind !== 'txn') return false;
  return [...command.request.success, ...command.request.failure].some(({ requestPut }) => requestPut !== undefined);
}

function alarmName(memberID: bigint, type: number): string {
  return `${memberID}/${type}`;
}

function identityOf({ term, type, data }: Entry): string {
  return `${term}/${type}/${data.length}/${crc32c(0, data)}`;
}

function decoded(entry: Entry): InternalRaftRequest | undefined {
  if (entry.type !== EntryType.EntryNormal || entry.data.length === 0) return undefined;
  return decodeInternalRaftRequest(entry.data);
}

function taggedWith({ put, deleteRange, txn, compaction }: InternalRaftRequest): number | undefined {
  const request = put ?? deleteRange ?? txn ?? compaction;
  return request === undefined ? undefined : tagOf(request);
}

export function describeEntry(entry: Entry): string {
  const request = decoded(entry);
  const command: Command = request === undefined ? { kind: 'none' } : commandOf(request);
  const tag = request === undefined ? undefined : taggedWith(request);
  if (entry.type !== EntryType.EntryNormal)
    return `entry ${entry.index} of term ${entry.term}: ${confChangeText(entry)}`;
  const start = toHex(entry.data.subarray(0, 16));
  return `entry ${entry.index} of term ${entry.term}: ${command.kind}${tag === undefined ? '' : ` #${tag}`} ${start}`;
}

function confChangeText(entry: Entry): string {
  const conf = decodeConfChange(entry.data);
  const { kind, isLearner, peerURLs } = changeOf(conf);
  return `${kind} member ${conf.nodeId.toString(16)} ${isLearner ? 'as learner ' : ''}${peerURLs.join('+')}`;
}

export type { Version };
