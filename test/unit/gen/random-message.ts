/** Random messages in two forms at once: for protobufjs (the independent codec) and for the generated codecs. */
import protobuf from 'protobufjs';
import type { SeededRandom } from '../../../src/base/random.ts';
import { hasPresence, isBigint, isRaw, memberName } from '../../../scripts/proto/policy.ts';

export type Plain = Record<string, unknown>;

export interface RandomMessage {
  /** For protobufjs: zero values left out in proto3, all scalars present in proto2. */
  readonly theirs: Plain;
  /** For the generated encoder, and what the generated decoder must return: every field present. */
  readonly ours: Plain;
}

const NESTING_MAX = 4;

/**
 * proto3 enums are open: a value that the .proto does not list, as a newer peer may send, must survive. proto2 enums are
 * closed, and protobufjs drops what is not listed.
 */
const LISTED_IN_ALL_ENUMS = [1, 2];

/** 64-bit values at the edges; the unsigned form for uint64. */
const EDGES = [1n, 127n, 128n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n];
const EDGES_UNSIGNED = [2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
const EDGES_SIGNED = [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -1n, -128n, -(2n ** 53n) - 1n];

function pick<T>(random: SeededRandom, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

function randomBytes(random: SeededRandom): Uint8Array {
  const length = pick(random, [1, 3, 23, 24, 127, 128, 300]);
  return Uint8Array.from({ length }, () => random.below(256));
}

function randomText(random: SeededRandom): string {
  const alphabet = pick(random, [
    ['a', 'Z', '0', '/'],
    ['a', 'é'],
    ['中', 'a', '文'],
    ['😀', 'x'],
  ]);
  return Array.from({ length: 1 + random.below(40) }, () => pick(random, alphabet)).join('');
}

function randomInt64(random: SeededRandom, signed: boolean, big: boolean): bigint {
  if (random.below(3) === 0) return 0n;
  if (random.below(3) === 0) return BigInt(random.uint32());
  if (!big) return pick(random, signed ? [...EDGES, -1n, -(2n ** 32n) - 5n, -(2n ** 53n) + 1n] : EDGES);
  return pick(random, [...EDGES, ...(signed ? EDGES_SIGNED : EDGES_UNSIGNED)]);
}

/** The form in which protobufjs takes 64-bit integers. */
function longOf(value: bigint, unsigned: boolean): { low: number; high: number; unsigned: boolean } {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned };
}

interface Value {
  readonly theirs: unknown;
  readonly ours: unknown;
  readonly isZero: boolean;
}

function randomValue(random: SeededRandom, field: protobuf.Field, owner: protobuf.Type, depth: number): Value {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) {
    const { theirs, ours } = randomMessage(random, resolvedType, depth + 1);
    const raw = isRaw(owner.fullName.slice(1), field.name);
    return { theirs, ours: raw ? Uint8Array.from(resolvedType.encode(theirs).finish()) : ours, isZero: false };
  }
  const zero = random.below(4) === 0;
  if (resolvedType instanceof protobuf.Enum || field.type === 'int32') {
    const value = zero ? 0 : pick(random, isProto2(owner) ? LISTED_IN_ALL_ENUMS : [1, 2, 3, 77, -1]);
    return { theirs: value, ours: value, isZero: value === 0 };
  }
  switch (field.type) {
    case 'bool':
      return { theirs: !zero, ours: !zero, isZero: zero };
    case 'uint32': {
      const value = zero ? 0 : pick(random, [1, 128, 0x7fff_ffff, 0xffff_ffff]);
      return { theirs: value, ours: value, isZero: zero };
    }
    case 'string': {
      const value = zero ? '' : randomText(random);
      return { theirs: value, ours: value, isZero: zero };
    }
    case 'bytes': {
      const value = zero ? new Uint8Array(0) : randomBytes(random);
      return { theirs: value, ours: value, isZero: zero };
    }
    default: {
      const big = isBigint(owner.name, field.name);
      const signed = field.type === 'int64';
      const value = randomInt64(random, signed, big);
      const theirs = longOf(value, !signed);
      return { theirs, ours: big ? value : Number(value), isZero: value === 0n };
    }
  }
}

function isProto2(type: protobuf.Type): boolean {
  return type.fieldsArray.some((field) => field.hasPresence && !field.repeated && !field.resolvedType && !field.partOf);
}

function fillRepeated(
  random: SeededRandom,
  field: protobuf.Field,
  owner: protobuf.Type,
  out: RandomMessage,
  depth: number,
): void {
  const count = depth >= NESTING_MAX ? 0 : random.below(4);
  const values = Array.from({ length: count }, () => randomValue(random, field, owner, depth));
  out.theirs[field.name] = values.map((value) => value.theirs);
  out.ours[memberName(field.name)] = values.map((value) => value.ours);
}

function fillSingle(
  random: SeededRandom,
  field: protobuf.Field,
  owner: protobuf.Type,
  out: RandomMessage,
  depth: number,
): void {
  const name = memberName(field.name);
  const isMessage = field.resolvedType instanceof protobuf.Type;
  const optional = isMessage || field.partOf !== null || hasPresence(owner.fullName.slice(1), field.name);
  if (optional && (random.below(2) === 0 || (isMessage && depth >= NESTING_MAX))) {
    out.ours[name] = undefined;
    return;
  }
  const value = randomValue(random, field, owner, depth);
  out.ours[name] = value.ours;
  const always = optional || (isProto2(owner) && field.type !== 'bytes');
  if (always || !value.isZero) out.theirs[field.name] = value.theirs;
}

export function randomMessage(random: SeededRandom, type: protobuf.Type, depth = 0): RandomMessage {
  const out: RandomMessage = { theirs: {}, ours: {} };
  const chosen = new Map(type.oneofsArray.map((oneof) => [oneof.name, pick(random, oneof.fieldsArray).name]));
  for (const field of type.fieldsArray) {
    if (field.repeated) fillRepeated(random, field, type, out, depth);
    else if (field.partOf !== null && chosen.get(field.partOf.name) !== field.name)
      out.ours[memberName(field.name)] = undefined;
    else fillSingle(random, field, type, out, depth);
  }
  return out;
}
