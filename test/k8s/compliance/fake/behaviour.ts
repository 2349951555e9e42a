import type { WatchEvent } from '../kube-object.ts';
import { apply, jsonPatch, mergePatch, strategicPatch } from './patch.ts';
import { type Select, selectorOf } from './selectors.ts';
import type { Doc, FakeStore, Meta, Place } from './store.ts';

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: Record<string, unknown> | undefined;
}

export interface FakeResponse {
  readonly status: number;
  /** An object, or text. */
  readonly body: unknown;
}

/** All that a fake API server does that can be observed: what a test breaks, it breaks here. */
export interface Behaviour {
  answer(request: FakeRequest): FakeResponse;
  /** What a watch tells, when this is what has happened. */
  told(event: WatchEvent): WatchEvent[];
  /** Of a command in a pod, or of its container when there is no command. */
  output(pod: Doc, command: readonly string[] | undefined): string;
}

export function parsePath(path: string): Place & { sub?: string | undefined } {
  const parts = path.split('/').slice(1);
  const group = parts[0] === 'api' ? String(parts[1]) : `${parts[1]}/${parts[2]}`;
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  if (rest[0] === 'namespaces' && rest.length > 2) {
    return { group, namespace: rest[1], resource: rest[2] ?? '', name: rest[3], sub: rest[4] };
  }
  return { group, resource: rest[0] ?? '', name: rest[1], sub: rest[2] };
}

class Refusal extends Error {
  readonly response: FakeResponse;

  constructor(status: number, reason: string, message: string, metadata: object = {}) {
    super(message);
    this.response = { status, body: { kind: 'Status', metadata, status: 'Failure', reason, message, code: status } };
  }
}

interface Container {
  readonly command: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

/** As a working API server behaves, as far as the checks look. */
export class SoundBehaviour implements Behaviour {
  readonly #store: FakeStore;
  #addresses = 0;

  constructor(store: FakeStore) {
    this.#store = store;
  }

  answer(request: FakeRequest): FakeResponse {
    if (request.path === '/readyz') return { status: 200, body: '[+]ping ok\n[+]etcd ok\nreadyz check passed\n' };
    if (request.path === '/livez') return { status: 200, body: 'ok' };
    try {
      return this.#answer(request, parsePath(request.path));
    } catch (error) {
      if (error instanceof Refusal) return error.response;
      throw error;
    }
  }

  told(event: WatchEvent): WatchEvent[] {
    return [event];
  }

  output(pod: Doc, command: readonly string[] | undefined): string {
    const [container] = (pod.spec?.['containers'] ?? []) as Container[];
    if (command === undefined) return container?.command.join(' ').includes('echo started') ? 'started\n' : '';
    if (command[0] === 'echo') return `${command.slice(1).join(' ')}\n`;
    return `${container?.env?.find(({ name }) => name === command[1])?.value ?? ''}\n`;
  }

  #answer(request: FakeRequest, place: Place & { sub?: string | undefined }): FakeResponse {
    const { method, query, body } = request;
    if (method === 'GET' && place.name === undefined) return { status: 200, body: this.#list(place, query) };
    if (method === 'POST') return { status: 201, body: this.#create(place, body as unknown as Doc) };
    const doc = this.#store.get(place);
    const isApply = method === 'PATCH' && request.contentType.includes('apply');
    if (doc === undefined && !isApply) throw new Refusal(404, 'NotFound', `${request.path} not found`);
    if (method === 'PATCH') return { status: 200, body: this.#patch(place, doc, request) };
    if (doc === undefined) throw new Error('only apply goes on without an object');
    if (method === 'GET') return { status: 200, body: doc };
    if (method === 'PUT') return { status: 200, body: this.#replace(place, doc, body as unknown as Doc) };
    return { status: 200, body: this.#delete(place, doc) };
  }

  #list(place: Place, query: URLSearchParams): object {
    const token = query.get('continue');
    const { revision, after } = token === null ? { revision: 0, after: '' } : decodeToken(token);
    if (revision !== 0 && revision < this.#store.compacted) {
      throw new Refusal(410, 'Expired', 'the continue token is too old', { continue: encodeToken(0, after) });
    }
    const at = revision === 0 ? this.#store.revision : revision;
    const all = this.#store.list(place, at).filter(selectorOf(query));
    const rest = all.filter(({ metadata }) => metadata.name > after);
    const limit = Number(query.get('limit') ?? 0);
    const items = limit > 0 ? rest.slice(0, limit) : rest;
    const remainingItemCount = rest.length - items.length;
    const more = remainingItemCount > 0 && {
      remainingItemCount,
      continue: encodeToken(at, items.at(-1)?.metadata.name ?? ''),
    };
    return { metadata: { resourceVersion: String(at), ...more }, items };
  }

  #create(place: Place, doc: Doc): Doc {
    const at = { ...place, name: doc.metadata.name };
    if (this.#store.get(at) !== undefined) throw new Refusal(409, 'AlreadyExists', `${at.name} exists`);
    return this.#store.put(at, this.#withDefaults(place, doc));
  }

  #withDefaults({ resource }: Place, doc: Doc): Doc {
    if (resource === 'secrets') {
      const given = Object.entries((doc['stringData'] ?? {}) as Record<string, string>);
      const data = Object.fromEntries(given.map(([name, value]) => [name, Buffer.from(value).toString('base64')]));
      return { metadata: doc.metadata, type: 'Opaque', data };
    }
    if (resource !== 'services') return doc;
    const type = doc.spec?.['type'] ?? 'ClusterIP';
    const number = ++this.#addresses;
    const nodePort = type === 'NodePort' && { nodePort: 30_000 + number };
    const ports = ((doc.spec?.['ports'] ?? []) as object[]).map((port) => ({ ...port, ...nodePort }));
    return { ...doc, spec: { ...doc.spec, type, ports, clusterIP: `10.96.0.${number}` } };
  }

  #replace(place: Place, before: Doc, doc: Doc): Doc {
    if (doc.metadata.resourceVersion !== before.metadata.resourceVersion) {
      throw new Refusal(409, 'Conflict', 'the object has been modified');
    }
    return this.#update(place, doc);
  }

  #patch(place: Place & { sub?: string | undefined }, doc: Doc | undefined, request: FakeRequest): Doc {
    const patch = request.body ?? {};
    if (request.contentType.includes('apply')) {
      const manager = request.query.get('fieldManager') ?? '';
      const applied = apply(doc, patch as unknown as Doc, manager, request.query.get('force') === 'true');
      if (typeof applied === 'string') throw new Refusal(409, 'Conflict', applied);
      return this.#update(place, applied);
    }
    if (request.contentType.includes('json-patch')) {
      const patched = jsonPatch(doc as Doc, patch as unknown as Record<string, unknown>[]);
      if (patched === undefined) throw new Refusal(422, 'Invalid', 'a test failed');
      return this.#update(place, patched);
    }
    const merge = request.contentType.includes('strategic') ? strategicPatch : mergePatch;
    return this.#update(place, merge(doc, patch) as Doc);
  }

  #update(place: Place, doc: Doc): Doc {
    const size = doc.spec?.['size'];
    if (typeof size === 'number' && size > 100) throw new Refusal(422, 'Invalid', 'size is at most 100');
    const stored = this.#store.put(place, doc);
    const isReleased = doc.metadata.deletionTimestamp !== undefined && (doc.metadata.finalizers ?? []).length === 0;
    if (isReleased && place.resource !== 'namespaces') this.#store.delete(place);
    return stored;
  }

  #delete(place: Place, doc: Doc): Doc {
    const isHeld = (doc.metadata.finalizers ?? []).length > 0 || place.resource === 'namespaces';
    if (!isHeld) {
      this.#store.delete(place);
      return doc;
    }
    const metadata: Meta = { ...doc.metadata, deletionTimestamp: new Date().toISOString() };
    return this.#store.put(place, { ...doc, metadata });
  }
}

/** What a watch with this query is to be told of. */
export function watchFilter(request: FakeRequest): { place: Place; select: Select } {
  return { place: parsePath(request.path), select: selectorOf(request.query) };
}

function encodeToken(revision: number, after: string): string {
  return Buffer.from(JSON.stringify({ revision, after })).toString('base64url');
}

function decodeToken(token: string): { revision: number; after: string } {
  return JSON.parse(Buffer.from(token, 'base64url').toString()) as { revision: number; after: string };
}
