/** What a kube-apiserver stores: each of these has a connection, a watch cache and lists of its own. */
export interface ResourceType {
  readonly name: string;
  readonly valueBytes: number;
  /** Objects that the traffic keeps alive, about. */
  readonly objectsMax: number;
  /** Share of the writes. */
  readonly weight: number;
  /** Objects live as long as a lease that up to 1,000 of them share, and nobody deletes them. */
  readonly ttlSeconds?: number;
}

const small = (name: string, weight = 1): ResourceType => ({ name, valueBytes: 400, objectsMax: 60, weight });

/** Weights and sizes are those of a busy cluster, roughly: node leases, pods and events are most of the writes. */
export const RESOURCES: readonly ResourceType[] = [
  { name: 'leases/kube-node-lease', valueBytes: 300, objectsMax: 200, weight: 30 },
  { name: 'pods', valueBytes: 3_000, objectsMax: 300, weight: 25 },
  { name: 'events', valueBytes: 700, objectsMax: 2_000, weight: 12, ttlSeconds: 3_600 },
  { name: 'events-that-expire', valueBytes: 700, objectsMax: 1_000, weight: 6, ttlSeconds: 6 },
  { name: 'endpointslices', valueBytes: 1_200, objectsMax: 100, weight: 6 },
  { name: 'minions', valueBytes: 6_000, objectsMax: 100, weight: 6 },
  { name: 'configmaps', valueBytes: 2_000, objectsMax: 150, weight: 4 },
  { name: 'secrets', valueBytes: 1_500, objectsMax: 150, weight: 3 },
  { name: 'replicasets', valueBytes: 2_000, objectsMax: 100, weight: 4 },
  { name: 'deployments', valueBytes: 2_000, objectsMax: 100, weight: 4 },
  { name: 'jobs', valueBytes: 1_500, objectsMax: 100, weight: 3 },
  { name: 'apiextensions.example.org/widgets', valueBytes: 1_000, objectsMax: 150, weight: 3 },
  small('daemonsets', 2),
  small('statefulsets', 2),
  small('services/specs', 2),
  small('services/endpoints', 2),
  small('persistentvolumeclaims'),
  small('persistentvolumes'),
  small('namespaces'),
  small('serviceaccounts'),
  small('roles'),
  small('rolebindings'),
  small('clusterroles'),
  small('clusterrolebindings'),
  small('poddisruptionbudgets'),
  small('networkpolicies'),
];

export function prefixOf(type: ResourceType): string {
  return `/registry/${type.name}/`;
}
