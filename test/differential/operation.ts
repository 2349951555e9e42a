import protobuf from 'protobufjs';
import type { Plain } from '../support/proto-codec.ts';

/**
 * One step of a run, as JSON: it can be printed, stored and replayed. Keys and values are latin1 strings, one character per
 * byte. Revisions are written relative to the state they meet, so that a shrunk run still means something.
 */
export type Operation =
  | { readonly rpc: RpcName; readonly request: JsonMessage }
  | { readonly watch: 'create'; readonly stream: number; readonly request: JsonMessage }
  | { readonly watch: 'cancel'; readonly stream: number; readonly watch_id: number }
  | { readonly watch: 'progress'; readonly stream: number }
  /** Waits until every watch has got all its events, and compares them. */
  | { readonly step: 'sync' }
  /** Kills both servers and starts them again. */
  | { readonly step: 'restart' };

export const RPCS = {
  Range: 'etcdserverpb.KV',
  Put: 'etcdserverpb.KV',
  DeleteRange: 'etcdserverpb.KV',
  Txn: 'etcdserverpb.KV',
  Compact: 'etcdserverpb.KV',
  LeaseGrant: 'etcdserverpb.Lease',
  LeaseRevoke: 'etcdserverpb.Lease',
  LeaseTimeToLive: 'etcdserverpb.Lease',
  LeaseLeases: 'etcdserverpb.Lease',
  HashKV: 'etcdserverpb.Maintenance',
  Defragment: 'etcdserverpb.Maintenance',
} as const;
export type RpcName = keyof typeof RPCS;

/** A revision: `current` or `compacted` plus the number. */
export type RevisionRef = { readonly current: number } | { readonly compacted: number };

export type JsonValue = string | number | boolean | RevisionRef | JsonMessage | readonly JsonValue[] | undefined;
export interface JsonMessage {
  readonly [field: string]: JsonValue;
}

/** What revisions are relative to. */
export interface Revisions {
  readonly current: bigint;
  readonly compacted: bigint;
}

export function resolveRevision(value: JsonValue, revisions: Revisions): bigint {
  if (typeof value === 'number') return BigInt(value);
  const ref = value as RevisionRef;
  return 'current' in ref ? revisions.current + BigInt(ref.current) : revisions.compacted + BigInt(ref.compacted);
}

/** The message to encode: bytes for latin1 strings, numbers for revisions. */
export function resolveMessage(type: protobuf.Type, message: JsonMessage, revisions: Revisions): Plain {
  const out: Plain = {};
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const field = type.fields[name];
    if (!field) throw new Error(`${type.fullName} has no field ${name}`);
    out[name] = Array.isArray(value)
      ? value.map((item: JsonValue) => resolveValue(field, item, revisions))
      : resolveValue(field, value, revisions);
  }
  return out;
}

function resolveValue(field: protobuf.Field, value: JsonValue, revisions: Revisions): unknown {
  if (field.type === 'bytes') return Buffer.from(value as string, 'latin1');
  if (field.type === 'int64') return resolveRevision(value, revisions);
  if (field.resolvedType instanceof protobuf.Type)
    return resolveMessage(field.resolvedType, value as JsonMessage, revisions);
  return value;
}
