import { setTimeout as sleep } from 'node:timers/promises';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { StreamInbox } from '../../support/stream-inbox.ts';
import { at, type KubeList, type KubeObject, type WatchEvent } from './kube-object.ts';
import type { Access } from './kubeconfig.ts';

/** An answer of 400 or above. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  /** As in the Status object, e.g. `Conflict`. */
  readonly reason: string;
  readonly body: unknown;

  constructor(method: string, path: string, status: number, body: unknown) {
    super(`${method} ${path}: ${status} ${String(at(body, 'message') ?? body).slice(0, 300)}`);
    this.status = status;
    const reason = at(body, 'reason');
    this.reason = typeof reason === 'string' ? reason : '';
    this.body = body;
  }
}

export type Query = Readonly<Record<string, string | number | boolean>>;

export const PATCH = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

const TIMEOUT_MS = 30_000;

/** Events of a watch, in the order they came. */
export class KubeWatch extends StreamInbox<WatchEvent> {
  readonly #close: () => void;

  constructor(close: () => void) {
    super();
    this.#close = close;
  }

  close(): void {
    this.#close();
  }
}

/** Statuses of a server whose store is away for a moment. */
const AWAY = new Set([429, 500, 502, 503, 504]);
const RETRY_AFTER_MS = 300;

/**
 * A small client of the Kubernetes API: JSON in and out, no caches. It tries again for `patienceMs` while the store is away;
 * by default not at all.
 */
export class KubeClient {
  readonly #access: Access;
  readonly #patienceMs: number;
  readonly #url: URL;
  readonly #agent: Agent;

  constructor(access: Access, patienceMs = 0) {
    this.#access = access;
    this.#patienceMs = patienceMs;
    this.#url = new URL(access.server);
    this.#agent = new Agent({
      keepAlive: true,
      ...(access.ca && { ca: access.ca }),
      ...(access.certificate && { cert: access.certificate }),
      ...(access.key && { key: access.key }),
      rejectUnauthorized: access.skipVerify !== true,
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  get(path: string, query?: Query): Promise<KubeObject> {
    return this.call('GET', path, undefined, query);
  }

  list(path: string, query?: Query): Promise<KubeList> {
    return this.call('GET', path, undefined, query);
  }

  create(path: string, object: object, query?: Query): Promise<KubeObject> {
    return this.call('POST', path, object, query);
  }

  replace(path: string, object: object): Promise<KubeObject> {
    return this.call('PUT', path, object);
  }

  patch(path: string, type: keyof typeof PATCH, patch: object, query?: Query): Promise<KubeObject> {
    return this.call('PATCH', path, patch, query, PATCH[type]);
  }

  delete(path: string, options?: object): Promise<unknown> {
    return this.call('DELETE', path, options);
  }

  async text(path: string, query?: Query): Promise<string> {
    const { status, text } = await this.#send('GET', path, undefined, query, 'application/json');
    if (status >= 400) throw new KubeError('GET', path, status, text);
    return text;
  }

  async call<T>(
    method: string,
    path: string,
    body?: object,
    query?: Query,
    contentType = 'application/json',
  ): Promise<T> {
    const deadlineMs = performance.now() + this.#patienceMs;
    for (let tries = 1; ; tries++) {
      const { status, text } = await this.#send(method, path, body, query, contentType);
      const answer = parsed(text);
      if (status < 400) return answer as T;
      if (AWAY.has(status) && performance.now() < deadlineMs) {
        await sleep(RETRY_AFTER_MS);
        continue;
      }
      // What an earlier try did although it was answered with an error.
      const made = method === 'POST' && status === 409 && at(answer, 'reason') === 'AlreadyExists';
      if (tries > 1 && made) return await this.call('GET', `${path}/${String(at(body, 'metadata.name'))}`);
      if (tries > 1 && method === 'DELETE' && status === 404) return answer as T;
      throw new KubeError(method, path, status, answer);
    }
  }

  /** Resolves when the server has accepted the watch. */
  watch(path: string, query: Query = {}): Promise<KubeWatch> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#request('GET', path, { watch: true, ...query }, {}, (response) => {
        if (response.statusCode !== 200) {
          void textOf(response).then(
            (text) => reject(new KubeError('WATCH', path, response.statusCode ?? 0, parsed(text))),
            reject,
          );
          return;
        }
        const watch = new KubeWatch(() => outgoing.destroy());
        eachLine(response, (line) => watch.push(JSON.parse(line) as WatchEvent));
        response.once('end', () => watch.finish(undefined));
        response.once('error', (error) => watch.finish(error));
        resolve(watch);
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
  }

  /** Switches a connection to another protocol, as exec does. */
  upgrade(
    path: string,
    query: URLSearchParams,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ socket: Duplex; head: Buffer; response: IncomingMessage }> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#request(
        'GET',
        `${path}?${query.toString()}`,
        {},
        { connection: 'Upgrade', ...headers },
        (response) => {
          void textOf(response).then(
            (text) => reject(new KubeError('UPGRADE', path, response.statusCode ?? 0, parsed(text))),
            reject,
          );
        },
      );
      outgoing.once('upgrade', (response, socket, head) => resolve({ socket, head, response }));
      outgoing.once('error', reject);
      outgoing.setTimeout(TIMEOUT_MS, () => outgoing.destroy(new Error(`${path}: no answer within ${TIMEOUT_MS} ms`)));
      outgoing.end();
    });
  }

  #send(
    method: string,
    path: string,
    body: object | undefined,
    query: Query | undefined,
    contentType: string,
  ): Promise<{ status: number; text: string }> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      payload === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) };
    return new Promise((resolve, reject) => {
      const outgoing = this.#request(method, path, query ?? {}, headers, (response) => {
        void textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      outgoing.once('error', reject);
      outgoing.setTimeout(TIMEOUT_MS, () => outgoing.destroy(new Error(`${path}: no answer within ${TIMEOUT_MS} ms`)));
      outgoing.end(payload);
    });
  }

  #request(
    method: string,
    path: string,
    query: Query,
    headers: Readonly<Record<string, string | number>>,
    onResponse: (response: IncomingMessage) => void,
  ): ReturnType<typeof request> {
    const url = new URL(path, this.#url);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const { token } = this.#access;
    const options = {
      method,
      headers: {
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    };
    if (url.protocol === 'http:') return plainRequest(url, options, onResponse);
    return request(url, { ...options, agent: this.#agent }, onResponse);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function eachLine(response: IncomingMessage, onLine: (line: string) => void): void {
  let rest = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  });
}
