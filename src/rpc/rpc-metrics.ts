/** The instruments that the dispatcher feeds; src/observability implements them. */

import type { Code } from '../base/etcd-error.ts';
import type { MethodKind } from './service-registry.ts';

/** Of one method; looked up once, when the dispatcher starts. Bytes are those of messages, without framing. */
export interface MethodMetrics {
  started(): void;
  messageReceived(bytes: number): void;
  messageSent(bytes: number): void;
  handled(code: Code, seconds: number): void;
}

export interface RpcMetrics {
  method(kind: MethodKind, service: string, method: string): MethodMetrics;
  /** One more call from a client of this API version (`unknown` when it does not say). */
  clientRequest(type: 'unary' | 'stream', clientApiVersion: string): void;
}

const noMethodMetrics: MethodMetrics = {
  started: () => {},
  messageReceived: () => {},
  messageSent: () => {},
  handled: () => {},
};

/** Counts nothing. */
export const noRpcMetrics: RpcMetrics = {
  method: () => noMethodMetrics,
  clientRequest: () => {},
};
