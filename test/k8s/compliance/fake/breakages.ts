/** For each check, a server that does one thing wrong, and must be found out by that check. */
import { at, type WatchEvent } from '../kube-object.ts';
import { type FakeRequest, type FakeResponse, parsePath } from './behaviour.ts';
import type { Break } from './server.ts';

type Is = (request: FakeRequest) => boolean;
type Body = Record<string, unknown>;

const is =
  (method: string, resource: string, sub?: string): Is =>
  (request) => {
    const place = parsePath(request.path);
    return request.method === method && place.resource === resource && (sub === undefined || place.sub === sub);
  };

const isList =
  (resource: string): Is =>
  (request) =>
    is('GET', resource)(request) && parsePath(request.path).name === undefined;

const isRead =
  (resource: string): Is =>
  (request) =>
    is('GET', resource)(request) && parsePath(request.path).name !== undefined;

/** Answers of this kind are changed on the way. */
const answers =
  (which: Is, change: (response: FakeResponse, request: FakeRequest) => FakeResponse): Break =>
  (sound) => ({
    answer: (request) => {
      const response = sound.answer(request);
      return which(request) ? change(response, request) : response;
    },
    told: (event) => sound.told(event),
    output: (pod, command) => sound.output(pod, command),
  });

/** A body with a field at a path set, or taken away. */
function withField(body: unknown, path: string, value: unknown): Body {
  const out = structuredClone(body) as Body;
  const names = path.split('.');
  const last = names.pop() ?? '';
  let parent = out;
  for (const name of names) parent = (parent[name] ??= {}) as Body;
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return out;
}

const bodies = (which: Is, path: string, value: unknown): Break =>
  answers(which, ({ status, body }) => ({ status, body: status < 300 ? withField(body, path, value) : body }));

const items = (which: Is, change: (items: unknown[]) => unknown[]): Break =>
  answers(which, ({ status, body }) => ({
    status,
    body: status < 300 ? { ...(body as object), items: change(at(body, 'items') as unknown[]) } : body,
  }));

const refuses = (which: Is): Break =>
  answers(which, () => ({ status: 500, body: { reason: 'InternalError', message: 'etcdserver: request timed out' } }));

/** Acknowledges, and does nothing. */
const forgets =
  (which: Is): Break =>
  (sound) => ({
    answer: (request) => {
      if (!which(request)) return sound.answer(request);
      const present = sound.answer({ ...request, method: 'GET', query: new URLSearchParams() });
      return present.status === 200 && request.method !== 'POST' ? present : { status: 201, body: request.body };
    },
    told: (event) => sound.told(event),
    output: (pod, command) => sound.output(pod, command),
  });

/** Requests are changed on the way in. */
const requests =
  (which: Is, change: (request: FakeRequest, sound: Parameters<Break>[0]) => FakeRequest): Break =>
  (sound) => ({
    answer: (request) => sound.answer(which(request) ? change(request, sound) : request),
    told: (event) => sound.told(event),
    output: (pod, command) => sound.output(pod, command),
  });

const tells =
  (change: (event: WatchEvent) => WatchEvent[]): Break =>
  (sound) => ({ ...bound(sound), told: change });

const writes =
  (change: (output: string, command: readonly string[] | undefined) => string): Break =>
  (sound) => ({ ...bound(sound), output: (pod, command) => change(sound.output(pod, command), command) });

const bound: (sound: Parameters<Break>[0]) => Parameters<Break>[0] = (sound) => ({
  answer: (request) => sound.answer(request),
  told: (event) => sound.told(event),
  output: (pod, command) => sound.output(pod, command),
});

/** No optimistic lock: whoever comes last wins. */
const lockless = (resource: string): Break =>
  requests(is('PUT', resource), (request, sound) => {
    const present = sound.answer({ ...request, method: 'GET' }).body;
    const version = at(present, 'metadata.resourceVersion');
    return { ...request, body: withField(request.body, 'metadata.resourceVersion', version) };
  });

const withoutQuery = (which: Is, ...names: string[]): Break =>
  requests(which, (request) => {
    const query = new URLSearchParams(request.query);
    for (const name of names) query.delete(name);
    return { ...request, query };
  });

const isRelease: Is = (request) =>
  is('PATCH', 'configmaps')(request) && JSON.stringify(request.body).includes('"finalizers":null');

const podsWith = (path: string, value: unknown): Break =>
  items(isList('pods'), (pods) => pods.map((pod) => withField(pod, path, value)));

export const BREAKAGES: readonly (readonly [check: string, what: string, breakIt: Break])[] = [
  [
    'API server: ready, its etcd healthy',
    'its etcd is not',
    answers(
      ({ path }) => path === '/readyz',
      () => ({ status: 200, body: '[-]etcd failed' }),
    ),
  ],
  ['namespace: create', 'creations fail', refuses(is('POST', 'namespaces'))],
  ['namespace: active', 'it never is', bodies(isRead('namespaces'), 'status', {})],
  ['ConfigMap: create', 'without the data', bodies(is('POST', 'configmaps'), 'data', undefined)],
  ['ConfigMap: read', 'other data', bodies(isRead('configmaps'), 'data.colour', 'green')],
  ['ConfigMap: patch', 'is forgotten', forgets(is('PATCH', 'configmaps'))],
  [
    'ConfigMap: resourceVersion changes with each update',
    'it stays',
    bodies(is('PATCH', 'configmaps'), 'metadata.resourceVersion', '7'),
  ],
  ['ConfigMap: delete', 'is forgotten', forgets(is('DELETE', 'configmaps'))],
  ['Secret: create', 'no type', bodies(is('POST', 'secrets'), 'type', undefined)],
  ['Secret: read, in base64', 'in plain text', bodies(isRead('secrets'), 'data', { password: 'opensesame' })],
  ['Secret: delete', 'is forgotten', forgets(is('DELETE', 'secrets'))],
  ['ServiceAccount: create', 'is forgotten', forgets(is('POST', 'serviceaccounts'))],
  ['Role: create', 'other rules are read', bodies(isRead('roles'), 'rules', [])],
  ['RoleBinding: create', 'another role is read', bodies(isRead('rolebindings'), 'roleRef.name', 'other')],
  ['ClusterRole: create', 'is forgotten', forgets(is('POST', 'clusterroles'))],
  [
    'ClusterRoleBinding: create',
    'another object is read',
    bodies(isRead('clusterrolebindings'), 'metadata.uid', 'other'),
  ],
  [
    'create: a second one of that name is refused',
    'it is accepted',
    answers(is('POST', 'configmaps'), ({ body }, request) => ({
      status: 201,
      body: at(body, 'reason') === 'AlreadyExists' ? request.body : body,
    })),
  ],
  ['optimistic lock: the second of two updates is refused', 'it is accepted', lockless('configmaps')],
  ['optimistic lock: no update is lost among contenders', 'updates overwrite', lockless('configmaps')],
  ['finalizers: what is deleted stays until they are taken away', 'it stays for good', forgets(isRelease)],
  [
    'list: in pages the same as at once',
    'a page is short of one',
    items(
      (request) => isList('configmaps')(request) && request.query.has('continue'),
      (page) => page.slice(1),
    ),
  ],
  [
    'list: later pages show the state of the first, whatever is written meanwhile',
    'they show the newest',
    requests((request) => isList('configmaps')(request) && request.query.has('continue'), newestPage),
  ],
  ['list: label selectors', 'are ignored', withoutQuery(isList('configmaps'), 'labelSelector')],
  ['list: field selectors', 'are ignored', withoutQuery(isList('configmaps'), 'fieldSelector')],
  [
    'list: at once after a write, it is there (consistent read)',
    'lists are behind by one',
    items(
      (request) => isList('configmaps')(request) && !request.query.has('limit'),
      (all) => all.filter((item) => at(item, 'metadata.name') !== 'fresh-7'),
    ),
  ],
  [
    'watch: every change once, in order',
    'changes come twice',
    tells((event) => (event.type === 'MODIFIED' ? [event, event] : [event])),
  ],
  [
    'watch: from a version in the past, everything since',
    'deletions are not told',
    tells((event) => (event.type === 'DELETED' ? [] : [event])),
  ],
  [
    'watch: a list that streams, with a bookmark at its end',
    'no bookmark',
    tells((event) => (event.type === 'BOOKMARK' ? [] : [event])),
  ],
  ['patch: JSON', 'is forgotten', forgets(is('PATCH', 'configmaps'))],
  [
    'patch: merge',
    'null does not remove',
    bodies((request) => request.contentType.includes('merge') && is('PATCH', 'configmaps')(request), 'data.a', '3'),
  ],
  [
    'patch: strategic merge, lists by their keys',
    'lists are replaced',
    requests(is('PATCH', 'services'), (request) => ({ ...request, contentType: 'application/merge-patch+json' })),
  ],
  [
    'patch: server-side apply, with owners of fields and conflicts',
    'no conflicts',
    requests(is('PATCH', 'configmaps'), (request) => ({
      ...request,
      query: new URLSearchParams([...request.query, ['force', 'true']]),
    })),
  ],
  ['CRD: established', 'it never is', bodies(isRead('customresourcedefinitions'), 'status', {})],
  [
    'custom resource: create, read, update, delete, and a watch that tells',
    'the schema is ignored',
    answers(
      (request) => request.path.includes('/gadgets') && request.method === 'PATCH',
      () => ({ status: 200, body: {} }),
    ),
  ],
  ['Service: create, ClusterIP', 'of another type', bodies(is('POST', 'services'), 'spec.type', 'ExternalName')],
  ['Service: has an IP of its own', 'all have the same', bodies(isRead('services'), 'spec.clusterIP', '10.96.0.1')],
  ['Service: NodePort', 'has none', bodies(is('POST', 'services'), 'spec.ports', [{ port: 80 }])],
  [
    'PersistentVolumeClaim: create',
    'another size',
    bodies(isRead('persistentvolumeclaims'), 'spec.resources.requests.storage', '2Gi'),
  ],
  ['Deployment: create', 'fails', refuses(is('POST', 'deployments'))],
  ['Deployment: its pod is ready', 'it never is', podsWith('status', { phase: 'Pending' })],
  ['Deployment: scale to 2', 'is forgotten', forgets(is('PATCH', 'deployments', 'scale'))],
  ['Deployment: both pods are ready', 'one is missing', items(isList('pods'), (pods) => pods.slice(0, 1))],
  ['Deployment: set image', 'is forgotten', forgets(is('PATCH', 'deployments'))],
  [
    'Deployment: the rolling update completes',
    'pods keep the old image',
    podsWith('spec.containers', [{ image: 'old' }]),
  ],
  ['owner references: what a Deployment owns goes with it', 'it stays', forgets(is('DELETE', 'deployments'))],
  ['DaemonSet: create', 'fails', refuses(is('POST', 'daemonsets'))],
  [
    'DaemonSet: a pod on each node that takes pods is ready',
    'one is missing',
    items(isList('pods'), (pods) => pods.slice(1)),
  ],
  ['Job: create', 'fails', refuses(is('POST', 'jobs'))],
  ['Job: completes', 'it never does', bodies(isRead('jobs'), 'status', {})],
  ['pod with env: runs', 'it never is ready', bodies(isRead('pods'), 'status', { phase: 'Pending' })],
  ['pod: exec', 'writes something else', writes((output, command) => (command?.[0] === 'echo' ? 'goodbye\n' : output))],
  [
    'pod: its env var is seen by exec',
    'it is not',
    writes((output, command) => (command?.[0] === 'printenv' ? '\n' : output)),
  ],
  ['pod: logs', 'are empty', writes((output, command) => (command === undefined ? '' : output))],
  ['event: create', 'fails', refuses(is('POST', 'events'))],
  [
    'event: expires by its lease, and a watch hears of it',
    'no watch hears of it',
    tells((event) => (event.type === 'DELETED' ? [] : [event])),
  ],
  [
    'leader election: one holder; another after it stops, and after it dies; never two',
    'Leases are read as free',
    bodies(isRead('leases'), 'spec.holderIdentity', ''),
  ],
  ['list: a continue token is given', 'none is', bodies(isList('configmaps'), 'metadata.continue', undefined)],
  [
    'list: a continue token from before a compaction is refused with 410, and the list can be gone on with',
    'with another reason',
    answers(isList('configmaps'), ({ status, body }) => ({
      status,
      body: status === 410 ? { ...(body as object), reason: 'Gone' } : body,
    })),
  ],
  ['namespace: delete, and all that is in it', 'it stays', forgets(is('DELETE', 'namespaces'))],
];

/** As a server that pages without a revision. */
function newestPage(request: FakeRequest): FakeRequest {
  const token = JSON.parse(Buffer.from(request.query.get('continue') ?? '', 'base64url').toString()) as object;
  const query = new URLSearchParams(request.query);
  query.set('continue', Buffer.from(JSON.stringify({ ...token, revision: 0 })).toString('base64url'));
  return { ...request, query };
}
