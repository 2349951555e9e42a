import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/**
 * Encodes and decodes API messages by reflection over proto/, on purpose without the server's generated code: a mistake there
 * must not be made twice.
 */

const PROTO_DIR = join(dirname(fileURLToPath(import.meta.url)), '../../proto');
const FILES = [
  'etcdserverpb/rpc.proto',
  'v3lockpb/v3lock.proto',
  'v3electionpb/v3election.proto',
  'health/health.proto',
];

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTO_DIR, target);
root.loadSync(FILES, { keepCase: true });
root.resolveAll();

/** A message as a plain object: see api-messages.ts for how values are represented. */
export type Plain = Record<string, unknown>;

const INT64 = new Set(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64']);

export interface MethodShape {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

/** Looks up e.g. `etcdserverpb.KV` and `Range`. */
export function methodShape(service: string, method: string): MethodShape {
  const found = root.lookupService(service).methods[method];
  if (!found?.resolvedRequestType || !found.resolvedResponseType) {
    throw new Error(`proto/ has no ${service}/${method}`);
  }
  return { path: `/${service}/${method}`, request: found.resolvedRequestType, response: found.resolvedResponseType };
}

export function messageType(name: string): protobuf.Type {
  return root.lookupType(name);
}

export function encode(type: protobuf.Type, message: Plain): Buffer {
  return Buffer.from(type.encode(toWireObject(type, message) as Record<string, never>).finish());
}

export function decode(type: protobuf.Type, bytes: Uint8Array): Plain {
  return fromMessage(type, type.decode(bytes));
}

function toWireObject(type: protobuf.Type, message: Plain): Plain {
  const out: Plain = {};
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const field = type.fields[name];
    if (!field) throw new Error(`${type.fullName} has no field ${name}`);
    out[name] = field.repeated
      ? (value as readonly unknown[]).map((item) => toWireValue(field, item))
      : toWireValue(field, value);
  }
  return out;
}

function toWireValue(field: protobuf.Field, value: unknown): unknown {
  if (field.resolvedType instanceof protobuf.Enum) {
    if (typeof value === 'number') return value;
    const number = field.resolvedType.values[value as string];
    if (number === undefined) throw new Error(`${field.resolvedType.fullName} has no value ${String(value)}`);
    return number;
  }
  if (field.resolvedType instanceof protobuf.Type) return toWireObject(field.resolvedType, value as Plain);
  if (INT64.has(field.type)) return splitInt64(BigInt(value as bigint | number), field.type === 'uint64');
  if (field.type === 'bytes') return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return value;
}

/** The two halves in the shape of a Long, which protobufjs writes exactly. */
function splitInt64(value: bigint, unsigned: boolean): { low: number; high: number; unsigned: boolean } {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  return { low, high, unsigned };
}

function fromMessage(type: protobuf.Type, message: Plain): Plain {
  const out: Plain = {};
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (field.repeated) out[field.name] = (value as readonly unknown[]).map((item) => fromWireValue(field, item));
    else if (Object.hasOwn(message, field.name)) out[field.name] = fromWireValue(field, value);
    else if (!field.partOf && !(field.resolvedType instanceof protobuf.Type)) {
      out[field.name] = fromWireValue(field, field.typeDefault);
    }
  }
  return out;
}

function fromWireValue(field: protobuf.Field, value: unknown): unknown {
  if (field.resolvedType instanceof protobuf.Enum) {
    const number = value as number;
    return field.resolvedType.valuesById[number] ?? number;
  }
  if (field.resolvedType instanceof protobuf.Type) return fromMessage(field.resolvedType, value as Plain);
  if (INT64.has(field.type)) return joinInt64(value, field.type === 'uint64');
  if (field.type === 'bytes') return new Uint8Array(value as Uint8Array);
  return value;
}

function joinInt64(value: unknown, unsigned: boolean): bigint {
  if (typeof value === 'number' && value === 0) return 0n;
  const { low, high } = value as { low: number; high: number };
  if (low === undefined || high === undefined)
    throw new Error(`int64 decoded without its full width: ${String(value)}`);
  const joined = (BigInt(high | 0) << 32n) | BigInt(low >>> 0);
  return unsigned ? BigInt.asUintN(64, joined) : joined;
}
