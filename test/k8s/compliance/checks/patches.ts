/** JSON, merge and strategic merge patches; server-side apply; custom resources. */
import { type Check, type Context, eventually, expectEqual, expectRefused, expectThat, isGone } from '../check.ts';
import { at, type Fields, pathOf } from '../kube-object.ts';

const configMaps = (context: Context): string => pathOf('v1', 'configmaps', context.namespace);

export const patchChecks: readonly Check[] = [
  {
    name: 'patch: JSON',
    run: async (context) => {
      const path = `${configMaps(context)}/patched`;
      await context.client.create(configMaps(context), { metadata: { name: 'patched' }, data: { a: '1', b: '2' } });
      const patched = await context.client.patch(path, 'json', [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'replace', path: '/data/a', value: '3' },
        { op: 'remove', path: '/data/b' },
        { op: 'add', path: '/data/c', value: '4' },
      ]);
      expectEqual(patched.data, { a: '3', c: '4' }, 'the data');
    },
  },
  {
    name: 'patch: merge',
    run: async (context) => {
      const patched = await context.client.patch(`${configMaps(context)}/patched`, 'merge', {
        data: { a: null, d: '5' },
      });
      expectEqual(patched.data, { c: '4', d: '5' }, 'the data');
    },
  },
  {
    name: 'patch: strategic merge, lists by their keys',
    run: async (context) => {
      const path = pathOf('v1', 'services', context.namespace);
      const ports = [
        { name: 'http', port: 80, protocol: 'TCP' },
        { name: 'metrics', port: 9090, protocol: 'TCP' },
      ];
      await context.client.create(path, { metadata: { name: 'patched' }, spec: { ports, selector: { app: 'none' } } });
      const patched = await context.client.patch(`${path}/patched`, 'strategic', {
        spec: { ports: [{ port: 9090, name: 'figures' }] },
      });
      const names = (at(patched, 'spec.ports') as Fields[]).map(
        (port) => `${String(port['name'])}:${String(port['port'])}`,
      );
      expectEqual(names.sort(), ['figures:9090', 'http:80'], 'the ports');
    },
  },
  {
    name: 'patch: server-side apply, with owners of fields and conflicts',
    run: async (context) => {
      const path = `${configMaps(context)}/applied`;
      const applied = (data: Fields): object => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'applied' },
        data,
      });
      await context.client.patch(path, 'apply', applied({ a: '1', b: '1' }), { fieldManager: 'one' });
      const both = await context.client.patch(path, 'apply', applied({ c: '2' }), { fieldManager: 'two' });
      expectEqual(both.data, { a: '1', b: '1', c: '2' }, 'the data of both');
      const managers = (both.metadata.managedFields ?? []).map((entry) => String(entry['manager']));
      expectEqual([...managers].sort(), ['one', 'two'], 'the managers');
      const contested = context.client.patch(path, 'apply', applied({ a: '9' }), { fieldManager: 'two' });
      await expectRefused(contested, 409, 'Conflict');
      const forced = await context.client.patch(path, 'apply', applied({ a: '9' }), {
        fieldManager: 'two',
        force: true,
      });
      // What `two` no longer applies goes; what `one` owns stays.
      expectEqual(forced.data, { a: '9', b: '1' }, 'the data after force');
    },
  },
];

const GROUP = 'compliance.example.org';
const CRDS = pathOf('apiextensions.k8s.io/v1', 'customresourcedefinitions');

const plural = (context: Context): string => `gadgets${context.id.replaceAll('-', '')}`;
const gadgets = (context: Context): string => pathOf(`${GROUP}/v1`, plural(context), context.namespace);

export const customChecks: readonly Check[] = [
  {
    name: 'CRD: established',
    run: async (context) => {
      const names = {
        plural: plural(context),
        singular: plural(context).slice(0, -1),
        kind: 'Gadget',
        listKind: 'GadgetList',
      };
      const schema = {
        openAPIV3Schema: {
          type: 'object',
          properties: { spec: { type: 'object', properties: { size: { type: 'integer', maximum: 100 } } } },
        },
      };
      await context.client.create(CRDS, {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: `${plural(context)}.${GROUP}` },
        spec: {
          group: GROUP,
          scope: 'Namespaced',
          names,
          versions: [{ name: 'v1', served: true, storage: true, schema }],
        },
      });
      await eventually(context, 'the definition is Established', async () => {
        const crd = await context.client.get(`${CRDS}/${plural(context)}.${GROUP}`);
        const conditions = (at(crd, 'status.conditions') ?? []) as Fields[];
        return conditions.some(({ type, status }) => type === 'Established' && status === 'True');
      });
      await eventually(
        context,
        'its objects are served',
        async () => (await context.client.list(gadgets(context))).items.length === 0,
      );
    },
  },
  {
    name: 'custom resource: create, read, update, delete, and a watch that tells',
    run: async (context) => {
      const gadget = (spec: Fields): object => ({
        apiVersion: `${GROUP}/v1`,
        kind: 'Gadget',
        metadata: { name: 'one' },
        spec,
      });
      const { metadata } = await context.client.list(gadgets(context));
      const watch = await context.other.watch(gadgets(context), { resourceVersion: metadata.resourceVersion });
      try {
        await context.client.create(gadgets(context), gadget({ size: 1 }));
        const read = await context.client.get(`${gadgets(context)}/one`);
        expectEqual(read.spec, { size: 1 }, 'the spec');
        await context.client.replace(`${gadgets(context)}/one`, { ...read, spec: { size: 2 } });
        await expectRefused(
          context.client.patch(`${gadgets(context)}/one`, 'merge', { spec: { size: 101 } }),
          422,
          'Invalid',
        );
        await context.client.delete(`${gadgets(context)}/one`);
        expectThat(await isGone(context.client.get(`${gadgets(context)}/one`)), 'it is still there');
        const told: string[] = [];
        while (told.length < 3) {
          const { type, object } = await watch.next(context.patienceMs);
          told.push(`${type} ${String(at(object, 'spec.size'))}`);
        }
        expectEqual(told, ['ADDED 1', 'MODIFIED 2', 'DELETED 2'], 'what the watch told');
      } finally {
        watch.close();
      }
    },
  },
];

export async function removeClusterWide(context: Context): Promise<void> {
  const rbac = 'rbac.authorization.k8s.io/v1';
  const paths = [
    `${CRDS}/${plural(context)}.${GROUP}`,
    pathOf(rbac, 'clusterroles', undefined, context.id),
    pathOf(rbac, 'clusterrolebindings', undefined, context.id),
    pathOf('v1', 'namespaces', undefined, context.namespace),
  ];
  for (const path of paths) await context.client.delete(path).catch(() => undefined);
}
