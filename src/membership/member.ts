/** A member of the cluster, and its JSON form in conf changes and in the database. */
import { assert } from '../base/assert.ts';
import { utf8Encode } from '../base/utf8.ts';
import { decodeText } from './text.ts';

export interface Member {
  readonly id: bigint;
  /** Empty until the member has started and published itself. */
  readonly name: string;
  /** Sorted. */
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

/** The context of a conf change: a member, or for a promotion only its id. */
export interface MemberContext extends Member {
  readonly isPromote: boolean;
}

/** etcd's field order; an id is a bare decimal number, beyond 2^53 too. Empty fields are left out as etcd does. */
export function encodeMember(member: Member): Uint8Array {
  const fields = [`"id":${member.id}`, `"peerURLs":${goStrings(member.peerURLs)}`];
  if (member.isLearner) fields.push('"isLearner":true');
  if (member.name !== '') fields.push(`"name":${goString(member.name)}`);
  if (member.clientURLs.length > 0) fields.push(`"clientURLs":${goStrings(member.clientURLs)}`);
  return utf8Encode(`{${fields.join(',')}}`);
}

export function encodePromotion(id: bigint): Uint8Array {
  return utf8Encode(`{"id":${id},"peerURLs":null,"isPromote":true}`);
}

/** Throws SyntaxError when it is not a member's JSON. */
export function decodeMember(bytes: Uint8Array): MemberContext {
  const text = decodeText(bytes);
  const parsed: unknown = JSON.parse(text);
  assert(typeof parsed === 'object' && parsed !== null, 'member JSON is not an object', { text });
  const fields = parsed as Record<string, unknown>;
  // JSON.parse would round an id beyond 2^53; the id of a member is the first field and stands nowhere else as a number.
  const id = /"id"\s*:\s*(\d+)/.exec(text)?.[1];
  return {
    id: BigInt(id ?? 0),
    name: typeof fields['name'] === 'string' ? fields['name'] : '',
    peerURLs: strings(fields['peerURLs']),
    clientURLs: strings(fields['clientURLs']),
    isLearner: fields['isLearner'] === true,
    isPromote: fields['isPromote'] === true,
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function goStrings(values: readonly string[]): string {
  return `[${values.map(goString).join(',')}]`;
}

/** Go's encoder escapes what HTML gives a meaning to. */
function goString(value: string): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
