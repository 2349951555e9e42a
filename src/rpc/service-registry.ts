/** Which handler serves which gRPC path. */

import { assert } from '../base/assert.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';
import type { BidiHandler, ServerStreamHandler, UnaryHandler } from './transport.ts';

/** As in the grpc_type label of the grpc_server_* metrics. */
export type MethodKind = 'unary' | 'server_stream' | 'bidi_stream';

interface MethodBase {
  /** `/pkg.Service/Method`. */
  readonly path: string;
  readonly service: string;
  readonly method: string;
  /** Whether a learner answers this request; streams are asked with an empty one (§1.1, learner rows of §2). */
  readonly isServedByLearner: (request: Uint8Array) => boolean;
}
export interface UnaryMethod extends MethodBase {
  readonly kind: 'unary';
  readonly handler: UnaryHandler;
}
export interface ServerStreamMethod extends MethodBase {
  readonly kind: 'server_stream';
  readonly handler: ServerStreamHandler;
}
export interface BidiMethod extends MethodBase {
  readonly kind: 'bidi_stream';
  readonly handler: BidiHandler;
}
export type Method = UnaryMethod | ServerStreamMethod | BidiMethod;

export interface MethodOptions {
  /** Default: a learner refuses. */
  readonly isServedByLearner?: (request: Uint8Array) => boolean;
}

export class ServiceRegistry {
  readonly #methods = new Map<string, Method>();
  readonly #services = new Set<string>();

  unary(path: string, handler: UnaryHandler, options: MethodOptions = {}): this {
    return this.#add({ ...describe(path, options), kind: 'unary', handler });
  }

  serverStream(path: string, handler: ServerStreamHandler, options: MethodOptions = {}): this {
    return this.#add({ ...describe(path, options), kind: 'server_stream', handler });
  }

  bidi(path: string, handler: BidiHandler, options: MethodOptions = {}): this {
    return this.#add({ ...describe(path, options), kind: 'bidi_stream', handler });
  }

  find(path: string): Method | undefined {
    return this.#methods.get(path);
  }

  methods(): IterableIterator<Method> {
    return this.#methods.values();
  }

  /** What to answer when find(path) gave nothing. */
  unimplemented(path: string): EtcdError {
    const slash = path.lastIndexOf('/');
    if (slash <= 0 || !path.startsWith('/')) {
      return new EtcdError(Code.Unimplemented, `malformed method name: ${JSON.stringify(path)}`);
    }
    const service = path.slice(1, slash);
    const text = this.#services.has(service)
      ? `unknown method ${path.slice(slash + 1)} for service ${service}`
      : `unknown service ${service}`;
    return new EtcdError(Code.Unimplemented, text);
  }

  #add(method: Method): this {
    assert(!this.#methods.has(method.path), 'method registered twice', { path: method.path });
    this.#methods.set(method.path, method);
    this.#services.add(method.service);
    return this;
  }
}

function describe(path: string, options: MethodOptions): MethodBase {
  const slash = path.lastIndexOf('/');
  assert(path.startsWith('/') && slash > 1 && slash < path.length - 1, 'not a method path', { path });
  return {
    path,
    service: path.slice(1, slash),
    method: path.slice(slash + 1),
    isServedByLearner: options.isServedByLearner ?? (() => false),
  };
}
