/**
 * What the page asks of the server: reads only. The server's policy for the page (Content-Security-Policy) names these paths
 * and no others. The token of a login is kept here and nowhere else: it is gone with the page.
 */
import { fromBase64, toBase64 } from './bytes.ts';
import type { ClusterFailure, ClusterView } from './cluster-view.ts';
import { jsonLines } from './json-lines.ts';
import { parseMetrics, type Metrics } from './metrics-text.ts';

const CODE_UNAUTHENTICATED = 16;
const TIMEOUT_MS = 10_000;

export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** A gRPC status code; 0 where the answer had none. */
  readonly code: number;
  readonly isLoginNeeded: boolean;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
    this.isLoginNeeded = code === CODE_UNAUTHENTICATED || message.includes('user name is empty');
  }
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** 0n: none. */
  readonly lease: bigint;
}

export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
  readonly limit?: number;
  /** 0 or none: the current one. */
  readonly revision?: number;
  readonly keysOnly?: boolean;
}

export interface RangeAnswer {
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Of all keys in the range, beyond the limit too. */
  readonly count: number;
}

export interface WatchRequest {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
  /** None: from now on. */
  readonly startRevision?: number;
}

export interface WatchEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly kv: KeyValue;
}

export interface WatchBatch {
  readonly revision: number;
  readonly created: boolean;
  /** Why the server ended the watch. */
  readonly ended?: string;
  /** Ended, as it began before this revision, where history begins. */
  readonly compactRevision: number;
  readonly events: readonly WatchEvent[];
}

type Json = Readonly<Record<string, unknown>>;

export class Api {
  #token: string | undefined;

  get isLoggedIn(): boolean {
    return this.#token !== undefined;
  }

  logOut(): void {
    this.#token = undefined;
  }

  async logIn(name: string, password: string): Promise<void> {
    const { token } = await this.#post('auth/authenticate', { name, password });
    if (typeof token !== 'string') throw new ApiError('the server answered without a token', 0);
    this.#token = token;
  }

  async cluster(): Promise<ClusterView> {
    const response = await this.#fetch('api/cluster', {});
    const answer: unknown = await response.json();
    if (response.ok) return answer as ClusterView;
    const { error, gateway } = answer as ClusterFailure;
    if (gateway) throw new ApiError(error, CODE_UNAUTHENTICATED);
    throw new ApiError(`${error}; users can log in only where the JSON gateway is served`, 0);
  }

  async metrics(): Promise<Metrics> {
    const response = await this.#fetch('../metrics', {});
    if (!response.ok) throw new ApiError(`/metrics answered with status ${response.status}`, 0);
    return parseMetrics(await response.text());
  }

  async range(request: RangeRequest): Promise<RangeAnswer> {
    const { key, rangeEnd, limit = 0, revision = 0, keysOnly = false } = request;
    const answer = await this.#post('kv/range', {
      ...interval(key, rangeEnd),
      limit: String(limit),
      revision: String(revision),
      keys_only: keysOnly,
    });
    return {
      revision: revisionOf(answer),
      kvs: list(answer['kvs']).map(keyValue),
      more: answer['more'] === true,
      count: number(answer['count']),
    };
  }

  /** Seconds left; undefined: the lease is gone. */
  async timeToLive(lease: bigint): Promise<number | undefined> {
    const answer = await this.#post('lease/timetolive', { ID: String(lease) });
    const ttl = number(answer['TTL']);
    return ttl < 0 ? undefined : ttl;
  }

  /** Until `signal`, or the server ends it. */
  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    const { key, rangeEnd, startRevision = 0 } = request;
    const create = { ...interval(key, rangeEnd), start_revision: String(startRevision) };
    const response = await this.#send('watch', { create_request: create }, signal);
    if (!response.ok || response.body === null) throw await failureOf(response);
    for await (const line of jsonLines(response.body)) {
      const { result, error } = object(line);
      if (error !== undefined) throw failure(object(error));
      yield watchBatch(object(result));
    }
  }

  async #post(path: string, body: Json): Promise<Json> {
    const response = await this.#send(path, body, AbortSignal.timeout(TIMEOUT_MS));
    if (!response.ok) throw await failureOf(response);
    return object(await response.json());
  }

  #send(path: string, body: Json, signal: AbortSignal): Promise<Response> {
    return this.#fetch(`../v3/${path}`, { method: 'POST', body: JSON.stringify(body), signal });
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers: Record<string, string> = this.#token === undefined ? {} : { Authorization: this.#token };
    const signal = init.signal ?? AbortSignal.timeout(TIMEOUT_MS);
    return fetch(path, { ...init, headers, signal, credentials: 'same-origin', cache: 'no-store' });
  }
}

/** An error in the words of whoever is looking at the page. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'the server did not answer in time';
  if (error instanceof TypeError) return 'the server cannot be reached';
  return error instanceof Error ? error.message : String(error);
}

async function failureOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    return failure(object(JSON.parse(text)));
  } catch {
    return new ApiError(`the server answered with status ${response.status}`, 0);
  }
}

function failure(answer: Json): ApiError {
  const { message, code } = object(answer['error'] ?? answer);
  return new ApiError(typeof message === 'string' ? message : 'the server answered with an error', number(code));
}

function watchBatch(result: Json): WatchBatch {
  const { created, canceled, cancel_reason: reason, compact_revision: compactRevision, events } = result;
  const isCompacted = number(compactRevision) > 0;
  const why = typeof reason === 'string' && reason !== '' ? reason : 'the server ended the watch';
  return {
    revision: revisionOf(result),
    created: created === true,
    ...(canceled === true && { ended: isCompacted ? 'the start revision has been compacted' : why }),
    compactRevision: number(compactRevision),
    events: list(events).map((event) => ({
      type: event['type'] === 'DELETE' ? 'DELETE' : 'PUT',
      kv: keyValue(object(event['kv'])),
    })),
  };
}

function keyValue(kv: Json): KeyValue {
  return {
    key: bytesOf(kv['key']),
    value: bytesOf(kv['value']),
    createRevision: number(kv['create_revision']),
    modRevision: number(kv['mod_revision']),
    version: number(kv['version']),
    lease: typeof kv['lease'] === 'string' ? BigInt(kv['lease']) : 0n,
  };
}

function interval(key: Uint8Array, rangeEnd: Uint8Array | undefined): Json {
  // The empty key cannot be asked for: the first key there can be is one zero byte.
  const first = key.length === 0 ? new Uint8Array(1) : key;
  return { key: toBase64(first), ...(rangeEnd !== undefined && { range_end: toBase64(rangeEnd) }) };
}

function revisionOf(answer: Json): number {
  return number(object(answer['header'])['revision']);
}

function bytesOf(value: unknown): Uint8Array {
  return typeof value === 'string' ? fromBase64(value) : new Uint8Array();
}

/** The gateway writes 64-bit numbers as text, and leaves out zeros. */
function number(value: unknown): number {
  return typeof value === 'string' || typeof value === 'number' ? Number(value) : 0;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(object) : [];
}
