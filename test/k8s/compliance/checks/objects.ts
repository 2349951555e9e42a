/** Namespace, ConfigMap, Secret, ServiceAccount, RBAC: what the API server alone does. */
import { type Check, type Context, eventually, expectEqual, expectRefused, expectThat, isGone } from '../check.ts';
import { at, pathOf } from '../kube-object.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';

export const namespaceChecks: readonly Check[] = [
  {
    name: 'namespace: create',
    run: async ({ client, namespace }) => {
      const created = await client.create(pathOf('v1', 'namespaces'), { metadata: { name: namespace } });
      expectEqual(created.metadata.name, namespace, 'the name');
      expectThat(created.metadata.uid !== undefined, 'no uid');
    },
  },
  {
    name: 'namespace: active',
    run: (context) =>
      eventually(context, 'the namespace is Active', async () => {
        const namespace = await context.client.get(pathOf('v1', 'namespaces', undefined, context.namespace));
        return at(namespace, 'status.phase') === 'Active';
      }),
  },
];

const configMap = (context: Context): string => pathOf('v1', 'configmaps', context.namespace, 'settings');

export const configMapChecks: readonly Check[] = [
  {
    name: 'ConfigMap: create',
    run: async ({ client, namespace }) => {
      const object = { metadata: { name: 'settings' }, data: { colour: 'blue', size: 'large' } };
      const created = await client.create(pathOf('v1', 'configmaps', namespace), object);
      expectEqual(created.data, object.data, 'the data');
    },
  },
  {
    name: 'ConfigMap: read',
    run: async (context) => {
      const { data } = await context.client.get(configMap(context));
      expectEqual([data?.['colour'], data?.['size']], ['blue', 'large'], 'the data');
    },
  },
  {
    name: 'ConfigMap: patch',
    run: async (context) => {
      await context.client.patch(configMap(context), 'merge', { data: { colour: 'red' } });
      const { data } = await context.client.get(configMap(context));
      expectEqual([data?.['colour'], data?.['size']], ['red', 'large'], 'the data');
    },
  },
  {
    name: 'ConfigMap: resourceVersion changes with each update',
    run: async (context) => {
      const seen = new Set<string>();
      for (let i = 0; i < 5; i++) {
        const { metadata } = await context.client.patch(configMap(context), 'merge', { data: { round: String(i) } });
        seen.add(metadata.resourceVersion ?? '');
        const read = await context.client.get(configMap(context));
        expectEqual(read.metadata.resourceVersion, metadata.resourceVersion, 'the resourceVersion that is read');
      }
      expectThat(seen.size === 5 && !seen.has(''), `5 updates have the versions ${[...seen].join(' ')}`);
    },
  },
  {
    name: 'ConfigMap: delete',
    run: async (context) => {
      await context.client.delete(configMap(context));
      expectThat(await isGone(context.client.get(configMap(context))), 'it is still there');
    },
  },
];

const secret = (context: Context): string => pathOf('v1', 'secrets', context.namespace, 'password');

export const secretChecks: readonly Check[] = [
  {
    name: 'Secret: create',
    run: async ({ client, namespace }) => {
      const created = await client.create(pathOf('v1', 'secrets', namespace), {
        metadata: { name: 'password' },
        stringData: { password: 'opensesame' },
      });
      expectEqual(at(created, 'type'), 'Opaque', 'the type');
    },
  },
  {
    name: 'Secret: read, in base64',
    run: async (context) => {
      const { data } = await context.client.get(secret(context));
      expectEqual(data, { password: Buffer.from('opensesame').toString('base64') }, 'the data');
    },
  },
  {
    name: 'Secret: delete',
    run: async (context) => {
      await context.client.delete(secret(context));
      expectThat(await isGone(context.client.get(secret(context))), 'it is still there');
    },
  },
];

/** Creates an object, and reads it back. */
async function createAndRead(context: Context, path: string, object: object, field: string): Promise<void> {
  const created = await context.client.create(path, object);
  const read = await context.client.get(`${path}/${created.metadata.name}`);
  expectEqual(at(read, field), at(object, field), `${field} of what was read`);
  expectEqual(read.metadata.uid, created.metadata.uid, 'the uid');
}

const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }];

function bindingTo(kind: 'Role' | 'ClusterRole', name: string, context: Context): object {
  return {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: context.namespace }],
  };
}

export const accessChecks: readonly Check[] = [
  {
    name: 'ServiceAccount: create',
    run: (context) =>
      createAndRead(
        context,
        pathOf('v1', 'serviceaccounts', context.namespace),
        { metadata: { name: 'robot' } },
        'metadata.name',
      ),
  },
  {
    name: 'Role: create',
    run: (context) =>
      createAndRead(
        context,
        pathOf(RBAC, 'roles', context.namespace),
        { metadata: { name: 'reader' }, rules },
        'rules',
      ),
  },
  {
    name: 'RoleBinding: create',
    run: (context) =>
      createAndRead(
        context,
        pathOf(RBAC, 'rolebindings', context.namespace),
        bindingTo('Role', 'reader', context),
        'roleRef',
      ),
  },
  {
    name: 'ClusterRole: create',
    run: (context) =>
      createAndRead(context, pathOf(RBAC, 'clusterroles'), { metadata: { name: context.id }, rules }, 'rules'),
  },
  {
    name: 'ClusterRoleBinding: create',
    run: (context) =>
      createAndRead(
        context,
        pathOf(RBAC, 'clusterrolebindings'),
        bindingTo('ClusterRole', context.id, context),
        'roleRef',
      ),
  },
];

export const conflictChecks: readonly Check[] = [
  {
    name: 'create: a second one of that name is refused',
    run: async ({ client, namespace }) => {
      const path = pathOf('v1', 'configmaps', namespace);
      await client.create(path, { metadata: { name: 'only-one' } });
      await expectRefused(client.create(path, { metadata: { name: 'only-one' } }), 409, 'AlreadyExists');
    },
  },
  {
    name: 'optimistic lock: the second of two updates is refused',
    run: async ({ client, other, namespace }) => {
      const path = pathOf('v1', 'configmaps', namespace);
      const created = await client.create(path, { metadata: { name: 'contended' }, data: { by: 'nobody' } });
      const mine = { ...created, data: { by: 'first' } };
      await client.replace(`${path}/contended`, mine);
      await expectRefused(other.replace(`${path}/contended`, { ...created, data: { by: 'second' } }), 409, 'Conflict');
      expectEqual((await client.get(`${path}/contended`)).data, { by: 'first' }, 'the data');
    },
  },
  {
    name: 'optimistic lock: no update is lost among contenders',
    run: async ({ client, other, namespace }) => {
      const path = pathOf('v1', 'configmaps', namespace);
      await client.create(path, { metadata: { name: 'shared' }, data: { began: 'yes' } });
      const marks = 8;
      // Each adds marks of its own to what it has read: doing it again, after an answer that was lost, does no harm.
      const contend = async (who: typeof client, contender: number): Promise<void> => {
        for (let done = 0; done < marks;) {
          const read = await who.get(`${path}/shared`);
          const data = { ...read.data, [`mark-${contender}-${done}`]: 'set' };
          const accepted = await who.replace(`${path}/shared`, { ...read, data }).then(
            () => true,
            (error: unknown) => {
              if (at(error, 'status') === 409) return false;
              throw error;
            },
          );
          if (accepted) done++;
        }
      };
      await Promise.all([client, client, other, other].map(contend));
      const { data } = await client.get(`${path}/shared`);
      expectEqual(Object.keys(data ?? {}).length, 1 + 4 * marks, 'the number of marks');
    },
  },
];

export const finalizerChecks: readonly Check[] = [
  {
    name: 'finalizers: what is deleted stays until they are taken away',
    run: async ({ client, namespace }) => {
      const path = pathOf('v1', 'configmaps', namespace);
      await client.create(path, { metadata: { name: 'held', finalizers: ['example.org/hold'] } });
      await client.delete(`${path}/held`);
      const held = await client.get(`${path}/held`);
      expectThat(held.metadata.deletionTimestamp !== undefined, 'no deletionTimestamp');
      await client.patch(`${path}/held`, 'merge', { metadata: { finalizers: null } });
      expectThat(await isGone(client.get(`${path}/held`)), 'still there without finalizers');
    },
  },
];
