/** The checks that come before every handler, in etcd's order (etcd-behaviour §4): learner, client-api-version, hasleader. */

import { etcdError } from '../base/etcd-error.ts';
import { fromBinaryString } from '../base/bytes.ts';
import { utf8IsValid } from '../base/utf8.ts';
import type { CallEnvironment } from './call-environment.ts';
import type { Method } from './service-registry.ts';
import type { RpcMetadata } from './transport.ts';

/** Throws the EtcdError to answer with when the call may not go on. */
export function admit(
  env: CallEnvironment,
  method: Method,
  metadata: RpcMetadata,
  request: Uint8Array,
  type: 'unary' | 'stream',
): void {
  if (env.member.isLearner() && !method.isServedByLearner(request)) throw etcdError('NotSupportedForLearner');
  const version = metadata.get('client-api-version') ?? 'unknown';
  if (!isUtf8(version)) throw etcdError('InvalidClientAPIVersion');
  env.metrics.clientRequest(type, version);
  if (requiresLeader(metadata) && !env.member.hasLeader()) throw etcdError('NoLeader');
}

export function requiresLeader(metadata: RpcMetadata): boolean {
  return metadata.get('hasleader') === 'true';
}

/** Auth token of a call (§2.12). */
export function tokenOf(metadata: RpcMetadata): string | undefined {
  const token = metadata.get('token') ?? metadata.get('authorization');
  return token?.startsWith('Bearer ') ? token.slice('Bearer '.length) : token;
}

/** `text` has one char per byte. */
function isUtf8(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return utf8IsValid(fromBinaryString(text));
  }
  return true;
}
