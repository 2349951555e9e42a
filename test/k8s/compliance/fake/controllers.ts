/** What the controllers, the scheduler and the nodes of a cluster would do, at once or a moment later. */
import type { Change, Doc, FakeStore, Place } from './store.ts';

type Fields = Record<string, unknown>;

const SOON_MS = 10;
const NODES = 2;

export interface Intervals {
  readonly eventTtlMs: number;
  readonly compactEveryMs: number;
}

export class Controllers {
  readonly #store: FakeStore;
  readonly #intervals: Intervals;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #compaction: NodeJS.Timeout;
  #names = 0;

  constructor(store: FakeStore, intervals: Intervals) {
    this.#store = store;
    this.#intervals = intervals;
    store.listeners.add((change) => this.#onChange(change));
    for (let i = 1; i <= NODES; i++) {
      store.put({ group: 'v1', resource: 'nodes', name: `node-${i}` }, { metadata: { name: `node-${i}` }, spec: {} });
    }
    let last = 0;
    this.#compaction = setInterval(() => {
      store.compact(last);
      last = store.revision;
    }, intervals.compactEveryMs);
  }

  stop(): void {
    clearInterval(this.#compaction);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #onChange({ type, place }: Change): void {
    const { resource } = place;
    if (type === 'DELETED') {
      if (resource === 'deployments') this.#soon(() => this.#removePods(place));
      return;
    }
    if (resource === 'namespaces') this.#soon(() => this.#namespace(place));
    if (resource === 'deployments') this.#soon(() => this.#deployment(place));
    if (resource === 'daemonsets') this.#soon(() => this.#replicas(place, NODES));
    if (resource === 'pods' && type === 'ADDED') this.#soon(() => this.#run(place));
    if (resource === 'jobs' && type === 'ADDED') this.#soon(() => this.#finish(place));
    if (resource === 'customresourcedefinitions' && type === 'ADDED') this.#soon(() => this.#establish(place));
    if (resource === 'persistentvolumeclaims' && type === 'ADDED')
      this.#soon(() => this.#status(place, { phase: 'Pending' }));
    if (resource === 'events' && type === 'ADDED')
      this.#soon(() => this.#store.delete(place), this.#intervals.eventTtlMs);
  }

  #soon(body: () => void, ms = SOON_MS): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      body();
    }, ms);
    this.#timers.add(timer);
  }

  #status(place: Place, status: Fields): void {
    const doc = this.#store.get(place);
    if (doc === undefined) return;
    const next = { ...doc, status: { ...doc.status, ...status } };
    if (JSON.stringify(next) !== JSON.stringify(doc)) this.#store.put(place, next);
  }

  #namespace(place: Place): void {
    const doc = this.#store.get(place);
    if (doc === undefined) return;
    if (doc.metadata.deletionTimestamp === undefined) {
      this.#status(place, { phase: 'Active' });
      return;
    }
    for (const inside of this.#store.within(place.name ?? '')) this.#store.delete(inside);
    this.#store.delete(place);
  }

  #deployment(place: Place): void {
    const doc = this.#store.get(place);
    if (doc === undefined) return;
    const replicas = Number(doc.spec?.['replicas']);
    this.#replicas(place, replicas);
    this.#status(place, {
      readyReplicas: replicas,
      updatedReplicas: replicas,
      observedGeneration: doc.metadata.generation,
    });
  }

  #pods({ namespace }: Place, owner: string): Doc[] {
    const pods = this.#store.list({ group: 'v1', resource: 'pods', namespace });
    return pods.filter(({ metadata }) => metadata.labels?.['owner'] === owner);
  }

  #removePods(place: Place): void {
    for (const pod of this.#pods(place, place.name ?? '')) {
      this.#store.delete({ group: 'v1', resource: 'pods', namespace: place.namespace, name: pod.metadata.name });
    }
  }

  /** As many pods as wanted, of the present template; others go. */
  #replicas(place: Place, count: number): void {
    const doc = this.#store.get(place);
    if (doc === undefined) return;
    const template = doc.spec?.['template'] as { metadata: { labels: Record<string, string> }; spec: Fields };
    const own = this.#pods(place, place.name ?? '');
    const current = own.filter(({ spec }) => JSON.stringify(spec) === JSON.stringify(template.spec));
    for (const pod of own) {
      if (current.includes(pod)) continue;
      this.#store.delete({ group: 'v1', resource: 'pods', namespace: place.namespace, name: pod.metadata.name });
    }
    for (let i = current.length; i < count; i++) {
      const name = `${place.name}-${++this.#names}`;
      const labels = { ...template.metadata.labels, owner: place.name ?? '' };
      this.#store.put(
        { group: 'v1', resource: 'pods', namespace: place.namespace, name },
        { metadata: { name, labels }, spec: template.spec },
      );
    }
  }

  #run(place: Place): void {
    this.#status(place, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
  }

  #finish(place: Place): void {
    const completions = this.#store.get(place)?.spec?.['completions'];
    this.#status(place, { succeeded: completions, conditions: [{ type: 'Complete', status: 'True' }] });
  }

  #establish(place: Place): void {
    this.#status(place, { conditions: [{ type: 'Established', status: 'True' }] });
  }
}
