/**
 * What etcd up to 3.5 still puts into the log as a request of its first API: what a member says of itself, and the version of
 * the cluster. Everything else of that API touches nothing that exists today.
 */
import { utf8Encode } from '../base/utf8.ts';
import { WireError } from '../base/wire.ts';
import { decodeRequest, type Request } from '../gen/etcdserver.ts';
import { decodeMember } from '../membership/member.ts';
import type { Command } from './command.ts';

const ATTRIBUTES_PATH = /^\/0\/members\/([0-9a-f]{1,16})\/attributes$/;
const VERSION_PATH = '/0/version';

/** undefined where there is nothing to do. */
export function legacyCommandOf(data: Uint8Array): Command | undefined {
  const request = decoded(data);
  if (request?.method !== 'PUT') return undefined;
  if (request.path === VERSION_PATH) return { kind: 'clusterVersionSet', request: { ver: request.val } };
  const id = ATTRIBUTES_PATH.exec(request.path)?.[1];
  if (id === undefined) return undefined;
  const { name, clientURLs } = decodeMember(utf8Encode(request.val));
  const memberAttributes = { name, clientUrls: [...clientURLs] };
  return { kind: 'memberAttrSet', request: { memberID: BigInt(`0x${id}`), memberAttributes } };
}

function decoded(data: Uint8Array): Request | undefined {
  try {
    return decodeRequest(data);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
