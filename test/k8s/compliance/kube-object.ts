/** An object of the Kubernetes API; what checks do not look at stays unknown. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Metadata;
  readonly spec?: Fields;
  readonly status?: Fields;
  readonly data?: Readonly<Record<string, string>>;
}

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly Fields[];
  readonly managedFields?: readonly Fields[];
}

export type Fields = Readonly<Record<string, unknown>>;

export interface KubeList {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly KubeObject[];
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject;
}

/** The value at a path of field names, e.g. `status.phase`; undefined where there is none. */
export function at(object: unknown, path: string): unknown {
  let value = object;
  for (const name of path.split('.')) value = (value as Fields | undefined)?.[name];
  return value;
}

/** The collection of a resource, or with `name` one object of it. Core resources have the group version `v1`. */
export function pathOf(groupVersion: string, resource: string, namespace?: string, name?: string): string {
  const root = groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${root}${scope}/${resource}${name === undefined ? '' : `/${name}`}`;
}
