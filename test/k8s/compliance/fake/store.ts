/** The objects of a fake API server, with their history. */

export interface Meta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  managedFields?: { manager: string; keys: string[] }[];
}

export interface Doc {
  metadata: Meta;
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  data?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface Place {
  readonly group: string;
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

export interface Change {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly place: Place;
  readonly doc: Doc;
}

interface Version {
  readonly revision: number;
  /** Undefined: deleted. */
  readonly doc: Doc | undefined;
}

interface Entry {
  readonly place: Place;
  readonly versions: Version[];
}

export class FakeStore {
  readonly log: Change[] = [];
  readonly listeners = new Set<(change: Change) => void>();
  #revision = 1;
  #compacted = 0;
  #uids = 0;
  readonly #entries = new Map<string, Entry>();

  get revision(): number {
    return this.#revision;
  }

  /** Nothing can be read as it was before this revision. */
  get compacted(): number {
    return this.#compacted;
  }

  compact(revision: number): void {
    this.#compacted = revision;
  }

  get(place: Place, revision = this.#revision): Doc | undefined {
    const versions = this.#entries.get(keyOf(place))?.versions ?? [];
    return versions.findLast((version) => version.revision <= revision)?.doc;
  }

  /** In the order of their names. */
  list({ group, resource, namespace }: Place, revision = this.#revision): Doc[] {
    const found: [string, Doc][] = [];
    for (const [key, { place }] of this.#entries) {
      if (place.group !== group || place.resource !== resource) continue;
      if (namespace !== undefined && place.namespace !== namespace) continue;
      const doc = this.get(place, revision);
      if (doc !== undefined) found.push([key, doc]);
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, doc]) => doc);
  }

  /** Everything in a namespace. */
  within(namespace: string): Place[] {
    return [...this.#entries.values()].map(({ place }) => place).filter((place) => place.namespace === namespace);
  }

  put(place: Place, doc: Doc): Doc {
    const before = this.get(place);
    const revision = ++this.#revision;
    const specChanged = JSON.stringify(before?.spec) !== JSON.stringify(doc.spec);
    const metadata: Meta = {
      ...doc.metadata,
      ...(place.namespace !== undefined && { namespace: place.namespace }),
      uid: before?.metadata.uid ?? `uid-${++this.#uids}`,
      creationTimestamp: before?.metadata.creationTimestamp ?? new Date().toISOString(),
      generation: (before?.metadata.generation ?? 0) + (specChanged ? 1 : 0),
      resourceVersion: String(revision),
    };
    const stored = structuredClone({ ...doc, metadata });
    this.#append(place, revision, stored);
    this.#tell({ revision, type: before === undefined ? 'ADDED' : 'MODIFIED', place, doc: stored });
    return stored;
  }

  delete(place: Place): void {
    const before = this.get(place);
    if (before === undefined) return;
    const revision = ++this.#revision;
    this.#append(place, revision, undefined);
    const doc = { ...before, metadata: { ...before.metadata, resourceVersion: String(revision) } };
    this.#tell({ revision, type: 'DELETED', place, doc });
  }

  #append(place: Place, revision: number, doc: Doc | undefined): void {
    const key = keyOf(place);
    const entry = this.#entries.get(key) ?? { place, versions: [] };
    entry.versions.push({ revision, doc });
    this.#entries.set(key, entry);
  }

  #tell(change: Change): void {
    this.log.push(change);
    for (const listener of this.listeners) listener(change);
  }
}

function keyOf({ group, resource, namespace, name }: Place): string {
  return `${group}|${resource}|${namespace ?? ''}|${name ?? ''}`;
}
