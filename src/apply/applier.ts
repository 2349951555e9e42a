/**
 * Carries out committed log entries, in log order, on the store, the leases, the alarms and the membership. Deterministic:
 * members that apply the same entries end in the same state, whatever their clocks say.
 */
import { EMPTY } from '../base/bytes.ts';
import { EtcdError, etcdError } from '../base/etcd-error.ts';
import { AlarmAction, AlarmType, type AlarmRequest, type AlarmResponseInit } from '../gen/rpc.ts';
import type {
  CompactionRequest,
  CompactionResponseInit,
  DeleteRangeResponseInit,
  LeaseGrantRequest,
  LeaseGrantResponseInit,
  LeaseRevokeRequest,
  LeaseRevokeResponseInit,
  PutResponseInit,
  RangeResponseInit,
  TxnResponseInit,
} from '../gen/rpc.ts';
import { NO_DOWNGRADE } from '../membership/versions.ts';
import type { Lessor } from '../lease/lessor.ts';
import type { Cluster } from '../membership/cluster.ts';
import type { MvccEvent } from '../mvcc/event.ts';
import type { MvccStore } from '../mvcc/store.ts';
import type { WriteTxn } from '../mvcc/write-txn.ts';
import type { Alarms } from './alarms.ts';
import { applyAuth, authInfoOf, type AuthParts, type AuthResponses, type EntryOrigin } from './auth-command.ts';
import { authorize } from './authorize.ts';
import type { Command } from './command.ts';
import { applyDeleteRange, applyPut, applyTxn } from './kv.ts';
import { LEASE_COST_BYTES, putCost, txnCost } from './quota-cost.ts';

export interface ApplierParts {
  readonly store: MvccStore;
  readonly lessor: Lessor;
  readonly alarms: Alarms;
  readonly cluster: Cluster;
  readonly auth: AuthParts;
  /** Whether the database may still grow by so many bytes. A member's own matter: the entry is applied either way. */
  readonly hasRoom: (costBytes: number) => boolean;
  /** All events of one revision, in order, once per revision. */
  readonly onEvents: (revision: number, events: readonly MvccEvent[]) => void;
  readonly onCompaction: (revision: number) => void;
  readonly onAlarmsChanged: () => void;
  /** The version of the cluster, or what it is to become, was set. */
  readonly onVersionChanged: () => void;
}

/** The answer to each kind of command; its header has only the revision. */
export interface Responses extends AuthResponses {
  range: RangeResponseInit;
  put: PutResponseInit;
  deleteRange: DeleteRangeResponseInit;
  txn: TxnResponseInit;
  compaction: CompactionResponseInit;
  leaseGrant: LeaseGrantResponseInit;
  leaseRevoke: LeaseRevokeResponseInit;
  alarm: AlarmResponseInit;
}

export type AnyResponse = Responses[keyof Responses];

export interface ApplyResult {
  /** undefined for commands that answer nothing. */
  readonly response: AnyResponse | undefined;
  readonly error: EtcdError | undefined;
  /** The write was carried out, but the quota is used up: raise the alarm, then answer with `error`. */
  readonly raisesNoSpace: boolean;
}

export class Applier {
  readonly #parts: ApplierParts;
  readonly #leaseExists: (id: bigint) => boolean;
  readonly #keysOf: (id: bigint) => readonly Uint8Array[];

  constructor(parts: ApplierParts) {
    this.#parts = parts;
    this.#leaseExists = (id) => parts.lessor.has(id);
    this.#keysOf = (id) => parts.lessor.keysOf(id);
  }

  /**
   * Applies the command of the entry at `index`. `nowMs` is this member's monotonic clock: it only times leases and tokens.
   * Throws only on a bug.
   */
  apply(command: Command, nowMs: number, index: number, origin: EntryOrigin | undefined): ApplyResult {
    try {
      this.#refuseUnderAlarm(command);
      const { store } = this.#parts.auth;
      if (store.enabled) authorize(store, this.#keysOf, authInfoOf(origin), command);
      const hasRoom = this.#hasRoomFor(command);
      const response = this.#run(command, nowMs, index);
      if (hasRoom) return { response, error: undefined, raisesNoSpace: false };
      return { response, error: etcdError('NoSpace'), raisesNoSpace: !this.#parts.alarms.isActive(AlarmType.NOSPACE) };
    } catch (error) {
      if (error instanceof EtcdError) return { response: undefined, error, raisesNoSpace: false };
      throw error;
    }
  }

  #refuseUnderAlarm(command: Command): void {
    const { alarms } = this.#parts;
    if (alarms.isActive(AlarmType.CORRUPT) && isRefusedWhenCorrupt(command)) throw etcdError('Corrupt');
    if (alarms.isActive(AlarmType.NOSPACE) && costOf(command) > 0) throw etcdError('NoSpace');
  }

  #hasRoomFor(command: Command): boolean {
    const cost = costOf(command);
    return cost === 0 || this.#parts.hasRoom(cost);
  }

  #run(command: Command, nowMs: number, index: number): AnyResponse | undefined {
    const { store, cluster } = this.#parts;
    switch (command.kind) {
      case 'put':
        return this.#write((txn) => applyPut(txn, this.#leaseExists, command.request));
      case 'deleteRange':
        return this.#write((txn) => applyDeleteRange(txn, command.request));
      case 'txn':
        return this.#write((txn) => applyTxn(store, txn, this.#leaseExists, command.request));
      case 'range': {
        const { kvs, count, more } = store.range(command.request);
        return { header: { revision: store.currentRev }, kvs, count, more };
      }
      case 'compaction':
        return this.#compact(command.request);
      case 'leaseGrant':
        return this.#grant(command.request, nowMs);
      case 'leaseRevoke':
        return this.#revoke(command.request);
      case 'leaseCheckpoint':
        for (const { ID, remainingTTL } of command.request.checkpoints) {
          // It may have been revoked since.
          if (this.#parts.lessor.has(ID)) this.#parts.lessor.checkpoint(ID, remainingTTL);
        }
        return undefined;
      case 'alarm':
        return this.#alarm(command.request);
      case 'clusterVersionSet':
        cluster.setVersion(command.request.ver);
        this.#parts.onVersionChanged();
        return undefined;
      case 'memberAttrSet': {
        const { memberID, memberAttributes } = command.request;
        cluster.updateAttributes(memberID, memberAttributes?.name ?? '', memberAttributes?.clientUrls ?? []);
        return undefined;
      }
      case 'downgradeInfoSet': {
        const { enabled, ver } = command.request;
        cluster.setDowngrade(enabled ? { isEnabled: true, targetVersion: ver } : NO_DOWNGRADE);
        this.#parts.onVersionChanged();
        return undefined;
      }
      case 'none':
        return undefined;
      default:
        return applyAuth(this.#parts.auth, command, { revision: store.currentRev }, index, nowMs);
    }
  }

  /** Runs `work` in a write txn. Where it throws, it must have thrown before its first write. */
  #write<T>(work: (txn: WriteTxn) => T): T {
    const txn = this.#parts.store.begin();
    try {
      return work(txn);
    } finally {
      const events = txn.end();
      if (events.length > 0) this.#parts.onEvents(txn.revision, events);
    }
  }

  #compact(request: CompactionRequest): CompactionResponseInit {
    this.#parts.store.compact(request.revision);
    this.#parts.onCompaction(request.revision);
    return { header: { revision: this.#parts.store.currentRev } };
  }

  #grant(request: LeaseGrantRequest, nowMs: number): LeaseGrantResponseInit {
    const TTL = this.#parts.lessor.grant(request.ID, request.TTL, nowMs);
    return { header: { revision: this.#parts.store.currentRev }, ID: request.ID, TTL };
  }

  /** The attached keys go in one revision, in key order. */
  #revoke(request: LeaseRevokeRequest): LeaseRevokeResponseInit {
    const { store, lessor } = this.#parts;
    const keys = lessor.revoke(request.ID);
    this.#write((txn) => {
      for (const key of keys) txn.deleteRange(key, EMPTY);
    });
    return { header: { revision: store.currentRev } };
  }

  #alarm(request: AlarmRequest): AlarmResponseInit {
    const { alarms, store } = this.#parts;
    const header = { revision: store.currentRev };
    switch (request.action) {
      case AlarmAction.GET:
        return { header, alarms: alarms.list(request.alarm) };
      case AlarmAction.ACTIVATE: {
        if (request.alarm === AlarmType.NONE) return { header };
        const alarm = alarms.activate(request.memberID, request.alarm);
        this.#parts.onAlarmsChanged();
        return { header, alarms: [alarm] };
      }
      case AlarmAction.DEACTIVATE: {
        const alarm = alarms.deactivate(request.memberID, request.alarm);
        this.#parts.onAlarmsChanged();
        return { header, alarms: alarm === undefined ? [] : [alarm] };
      }
      default:
        return { header };
    }
  }
}

function isRefusedWhenCorrupt(command: Command): boolean {
  switch (command.kind) {
    case 'put':
    case 'deleteRange':
    case 'txn':
    case 'range':
    case 'compaction':
    case 'leaseGrant':
    case 'leaseRevoke':
      return true;
    default:
      return false;
  }
}

function costOf(command: Command): number {
  switch (command.kind) {
    case 'put':
      return putCost(command.request);
    case 'txn':
      return txnCost(command.request);
    case 'leaseGrant':
      return LEASE_COST_BYTES;
    default:
      return 0;
  }
}
