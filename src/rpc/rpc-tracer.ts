/** Tells a tracing system of calls; src/observability implements it. */

import type { Code } from '../base/etcd-error.ts';
import type { Peer, RpcMetadata } from './transport.ts';

/** The part of one call in a trace. */
export interface CallSpan {
  /** `message` of a status other than OK. */
  end(code: Code, message: string): void;
}

export interface RpcTracer {
  /** `path` as `/pkg.Service/Method`. undefined: this call is not traced. */
  start(path: string, metadata: RpcMetadata, peer: Peer): CallSpan | undefined;
}
