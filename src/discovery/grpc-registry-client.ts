/** An etcd as registry for v3 discovery, over gRPC. Loads grpc-js: to be imported only where discovery is used. */
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { prefixEnd } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';
import { decodeEvent, decodeKeyValue, EventType } from '../gen/mvccpb.ts';
import * as rpc from '../gen/rpc.ts';
import { AuthService, KVService, WatchService } from '../gen/services.ts';
import { DiscoveryError, type RegistryClient, type RegistryEntry, type RegistryRange } from './registry.ts';

export interface RegistrySecurity {
  /** Without TLS, where neither the endpoint's scheme nor a file asks for it. */
  readonly insecureTransport: boolean;
  readonly skipVerify: boolean;
  /** Paths; empty: none. */
  readonly cert: string;
  readonly key: string;
  readonly authorities: string;
}

export interface RegistryAccess {
  /** `host:port`, or URLs with http, https, unix or unixs; at least one. */
  readonly endpoints: readonly string[];
  readonly dialTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly security: RegistrySecurity;
  /** Without both, nobody in particular. */
  readonly user: string;
  readonly password: string;
}

/** Of the registry's answers: a few members, never this much. */
const ANSWER_BYTES_MAX = 16 * 1024 ** 2;
/** gRPC lets no client ping more often; servers would close the connection. */
const KEEPALIVE_MS_MIN = 10_000;

interface Method<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Response;
}

const RANGE: Method<rpc.RangeRequestInit, rpc.RangeResponse> = {
  path: KVService.methods.Range.path,
  encode: rpc.encodeRangeRequest,
  decode: rpc.decodeRangeResponse,
};
const PUT: Method<rpc.PutRequestInit, rpc.PutResponse> = {
  path: KVService.methods.Put.path,
  encode: rpc.encodePutRequest,
  decode: rpc.decodePutResponse,
};
const AUTHENTICATE: Method<rpc.AuthenticateRequestInit, rpc.AuthenticateResponse> = {
  path: AuthService.methods.Authenticate.path,
  encode: rpc.encodeAuthenticateRequest,
  decode: rpc.decodeAuthenticateResponse,
};

export class GrpcRegistryClient implements RegistryClient {
  readonly #access: RegistryAccess;
  readonly #clients: readonly grpc.Client[];
  /** The endpoint that answered last. */
  #at = 0;
  #token: string | undefined;

  /** Reads the files. Throws DiscoveryError if one cannot be used. */
  constructor(access: RegistryAccess) {
    this.#access = access;
    const options = {
      'grpc.keepalive_time_ms': Math.max(access.keepaliveTimeMs, KEEPALIVE_MS_MIN),
      'grpc.keepalive_timeout_ms': access.keepaliveTimeoutMs,
      'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
    };
    this.#clients = access.endpoints.map((endpoint) => {
      const { target, isSecure } = targetOf(endpoint, access.security);
      return new grpc.Client(
        target,
        isSecure ? secureCredentials(access.security) : grpc.credentials.createInsecure(),
        options,
      );
    });
  }

  async connect(): Promise<void> {
    if (this.#access.user !== '' && this.#access.password !== '') await this.#anyEndpoint(() => this.#authenticate());
  }

  get(key: string): Promise<RegistryRange> {
    return this.#range({ key: utf8Encode(key) });
  }

  list(prefix: string): Promise<RegistryRange> {
    return this.#range(underPrefix(prefix));
  }

  async put(key: string, value: string): Promise<void> {
    await this.#authenticated(PUT, { key: utf8Encode(key), value: utf8Encode(value) });
  }

  watch(
    prefix: string,
    fromRevision: number,
    onEntries: (entries: readonly RegistryEntry[]) => boolean,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const call = this.#current().makeBidiStreamRequest(
      WatchService.methods.Watch.path,
      (request: rpc.WatchRequestInit) => Buffer.from(rpc.encodeWatchRequest(request)),
      rpc.decodeWatchResponse,
      this.#metadata(),
    );
    call.on('data', ({ events, canceled, cancelReason }: rpc.WatchResponse) => {
      if (canceled) reject(new Error(cancelReason === '' ? 'the watch was cancelled' : cancelReason));
      else if (onEntries(events.flatMap(putEntry))) resolve();
    });
    call.on('error', reject);
    call.on('end', () => reject(new Error('the watch ended')));
    call.write({ createRequest: { ...underPrefix(prefix), startRevision: fromRevision } });
    return promise.finally(() => {
      call.on('error', () => {});
      call.cancel();
    });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #range(request: rpc.RangeRequestInit): Promise<RegistryRange> {
    const { header, kvs } = await this.#authenticated(RANGE, request);
    return { entries: kvs.map(entryOf), revision: header?.revision ?? 0 };
  }

  /** A token may have run out since it was given: then a new one is asked for, once. */
  async #authenticated<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    try {
      return await this.#anyEndpoint(() => this.#unary(method, request, this.#access.requestTimeoutMs));
    } catch (error) {
      if (codeOf(error) !== grpc.status.UNAUTHENTICATED || this.#token === undefined) throw error;
      await this.connect();
      return this.#anyEndpoint(() => this.#unary(method, request, this.#access.requestTimeoutMs));
    }
  }

  async #authenticate(): Promise<void> {
    const { user: name, password, dialTimeoutMs } = this.#access;
    this.#token = undefined;
    try {
      const { token } = await this.#unary(AUTHENTICATE, { name, password }, dialTimeoutMs);
      this.#token = token;
    } catch (error) {
      if (isOutOfReach(error)) throw error;
      const text = detailsOf(error);
      if (!text.includes('authentication is not enabled')) throw new DiscoveryError(text, { cause: error });
    }
  }

  /** The endpoints in turn, beginning with the last good one, until one can be reached. */
  async #anyEndpoint<T>(call: () => Promise<T>): Promise<T> {
    for (let left = this.#clients.length; ; left--) {
      try {
        await this.#connected();
        return await call();
      } catch (error) {
        if (!isOutOfReach(error)) throw error;
        this.#at = (this.#at + 1) % this.#clients.length;
        if (left <= 1) throw error;
      }
    }
  }

  /** A connection that is refused is known at once; only one that nobody answers takes the whole time. */
  async #connected(): Promise<void> {
    const channel = this.#current().getChannel();
    const deadline = Date.now() + this.#access.dialTimeoutMs;
    for (let state = channel.getConnectivityState(true); ; state = channel.getConnectivityState(true)) {
      if (state === grpc.connectivityState.READY) return;
      if (state === grpc.connectivityState.TRANSIENT_FAILURE) break;
      const from = state;
      const isOver = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(from, deadline, (error) => resolve(error !== undefined));
      });
      if (isOver) break;
    }
    throw new OutOfReachError(`no connection to ${this.#access.endpoints[this.#at]}`);
  }

  #unary<Request, Response>(
    { path, encode, decode }: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#current().makeUnaryRequest(
        path,
        (message: Request) => Buffer.from(encode(message)),
        decode,
        request,
        this.#metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error !== null) reject(error);
          else if (response === undefined) reject(new Error(`${path}: no response`));
          else resolve(response);
        },
      );
    });
  }

  #metadata(): grpc.Metadata {
    const metadata = new grpc.Metadata();
    metadata.set('hasleader', 'true');
    if (this.#token !== undefined) metadata.set('token', this.#token);
    return metadata;
  }

  #current(): grpc.Client {
    const client = this.#clients[this.#at];
    if (client === undefined) throw new DiscoveryError('no endpoint of a discovery service');
    return client;
  }
}

class OutOfReachError extends Error {
  override readonly name = 'OutOfReachError';
}

function isOutOfReach(error: unknown): boolean {
  const code = codeOf(error);
  return error instanceof OutOfReachError || code === grpc.status.UNAVAILABLE || code === grpc.status.DEADLINE_EXCEEDED;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function detailsOf(error: unknown): string {
  if (error instanceof Error && 'details' in error && typeof error.details === 'string') return error.details;
  return error instanceof Error ? error.message : String(error);
}

function underPrefix(prefix: string): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  const key = utf8Encode(prefix);
  return { key, rangeEnd: prefixEnd(key) ?? new Uint8Array(1) };
}

function entryOf(bytes: Uint8Array): RegistryEntry {
  const { key, value, createRevision } = decodeKeyValue(bytes);
  return { key: text(key), value: text(value), createRevision };
}

function putEntry(bytes: Uint8Array): RegistryEntry[] {
  const { type, kv } = decodeEvent(bytes);
  return type === EventType.PUT && kv !== undefined ? [entryOf(kv)] : [];
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}

/** As etcd's client: the scheme decides where there is one, otherwise what the options say about TLS. */
export function targetOf(
  endpoint: string,
  security: RegistrySecurity,
): { readonly target: string; readonly isSecure: boolean } {
  const { insecureTransport, skipVerify, cert, key, authorities } = security;
  const asked = !insecureTransport || skipVerify || cert !== '' || key !== '' || authorities !== '';
  const [, scheme = '', rest = endpoint] = /^(https?|unixs?):(?:\/\/)?(.*)$/s.exec(endpoint) ?? [];
  const isSecure = scheme === 'https' || scheme === 'unixs' || (scheme !== 'http' && asked);
  if (scheme.startsWith('unix')) return { target: `unix:${rest}`, isSecure };
  return { target: scheme === '' ? endpoint : rest.replace(/\/.*$/s, ''), isSecure };
}

function secureCredentials({ skipVerify, cert, key, authorities }: RegistrySecurity): grpc.ChannelCredentials {
  if ((cert === '') !== (key === '')) {
    throw new DiscoveryError(`--discovery-cert and --discovery-key must both be present or both absent`);
  }
  const roots = authorities === '' ? systemAuthorities() : read('discovery-cacert', authorities);
  const ownKey = key === '' ? null : read('discovery-key', key);
  const ownCert = cert === '' ? null : read('discovery-cert', cert);
  return grpc.credentials.createSsl(roots, ownKey, ownCert, { rejectUnauthorized: !skipVerify });
}

function systemAuthorities(): Buffer | null {
  const found = tls.getCACertificates('system');
  return found.length === 0 ? null : Buffer.from(found.join('\n'));
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new DiscoveryError(`--${flag}=${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
