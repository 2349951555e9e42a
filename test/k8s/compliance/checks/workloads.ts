/** Pods and what makes them: controllers, the scheduler and nodes take part. */
import { type Check, type Context, eventually, expectEqual, expectThat, isGone } from '../check.ts';
import { exec } from '../exec.ts';
import { at, type Fields, type KubeObject, pathOf } from '../kube-object.ts';

const APPS = 'apps/v1';

const deployment = (context: Context): string => pathOf(APPS, 'deployments', context.namespace, 'web');

function podSpec(image: string, more: Fields = {}): Fields {
  const container = { name: 'main', image, command: ['sh', '-c', 'echo started; sleep 3600'], ...more };
  // Deleted at once, so that checks need not wait for the usual 30 s.
  return { containers: [container], terminationGracePeriodSeconds: 0 };
}

function template(app: string, image: string, more: Fields = {}): Fields {
  return { metadata: { labels: { app } }, spec: { ...podSpec(image), ...more } };
}

export function isReady(pod: KubeObject): boolean {
  const conditions = (at(pod, 'status.conditions') ?? []) as Fields[];
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

async function pods(context: Context, app: string): Promise<readonly KubeObject[]> {
  const { items } = await context.client.list(pathOf('v1', 'pods', context.namespace), { labelSelector: `app=${app}` });
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

const imageOf = (pod: KubeObject): unknown => (at(pod, 'spec.containers') as Fields[])[0]?.['image'];

async function untilReady(context: Context, app: string, count: number): Promise<void> {
  await eventually(context, `${count} pods of ${app} are ready`, async () => {
    const found = await pods(context, app);
    return found.length === count && found.every(isReady);
  });
}

export const deploymentChecks: readonly Check[] = [
  {
    name: 'Deployment: create',
    run: async (context) => {
      const spec = {
        replicas: 1,
        selector: { matchLabels: { app: 'web' } },
        template: template('web', context.images[0]),
      };
      const created = await context.client.create(pathOf(APPS, 'deployments', context.namespace), {
        metadata: { name: 'web' },
        spec,
      });
      expectEqual(at(created, 'spec.replicas'), 1, 'the replicas');
    },
  },
  { name: 'Deployment: its pod is ready', run: (context) => untilReady(context, 'web', 1) },
  {
    name: 'Deployment: scale to 2',
    run: async (context) => {
      await context.client.patch(`${deployment(context)}/scale`, 'merge', { spec: { replicas: 2 } });
      expectEqual(at(await context.client.get(deployment(context)), 'spec.replicas'), 2, 'the replicas');
    },
  },
  {
    name: 'Deployment: both pods are ready',
    run: async (context) => {
      await untilReady(context, 'web', 2);
      await eventually(context, 'its status tells of both', async () => {
        return at(await context.client.get(deployment(context)), 'status.readyReplicas') === 2;
      });
    },
  },
  {
    name: 'Deployment: set image',
    run: async (context) => {
      const containers = [{ name: 'main', image: context.images[1] }];
      const before = await context.client.get(deployment(context));
      const after = await context.client.patch(deployment(context), 'strategic', {
        spec: { template: { spec: { containers } } },
      });
      expectThat((after.metadata.generation ?? 0) > (before.metadata.generation ?? 0), 'the generation stays');
    },
  },
  {
    name: 'Deployment: the rolling update completes',
    run: async (context) => {
      await eventually(context, 'all pods have the new image and are ready', async () => {
        const found = await pods(context, 'web');
        return found.length === 2 && found.every((pod) => isReady(pod) && imageOf(pod) === context.images[1]);
      });
      await eventually(context, 'its status tells so', async () => {
        const { status, metadata } = await context.client.get(deployment(context));
        return status?.['updatedReplicas'] === 2 && status['observedGeneration'] === metadata.generation;
      });
    },
  },
];

export const daemonSetChecks: readonly Check[] = [
  {
    name: 'DaemonSet: create',
    run: async (context) => {
      const created = await context.client.create(pathOf(APPS, 'daemonsets', context.namespace), {
        metadata: { name: 'agent' },
        spec: { selector: { matchLabels: { app: 'agent' } }, template: template('agent', context.images[0]) },
      });
      expectEqual(at(created, 'spec.selector.matchLabels.app'), 'agent', 'the selector');
    },
  },
  {
    name: 'DaemonSet: a pod on each node that takes pods is ready',
    run: async (context) => {
      const nodes = (await context.client.list(pathOf('v1', 'nodes'))).items;
      const open = nodes.filter(({ spec }) => {
        const taints = (spec?.['taints'] ?? []) as Fields[];
        return taints.every(({ effect }) => effect === 'PreferNoSchedule');
      });
      expectThat(open.length > 0, 'there is no node that takes pods');
      await untilReady(context, 'agent', open.length);
    },
  },
];

export const jobChecks: readonly Check[] = [
  {
    name: 'Job: create',
    run: async (context) => {
      const container = { name: 'main', image: context.images[0], command: ['sh', '-c', 'echo done'] };
      const created = await context.client.create(pathOf('batch/v1', 'jobs', context.namespace), {
        metadata: { name: 'once' },
        spec: {
          completions: 2,
          parallelism: 2,
          template: { spec: { restartPolicy: 'Never', containers: [container] } },
        },
      });
      expectEqual(at(created, 'spec.completions'), 2, 'the completions');
    },
  },
  {
    name: 'Job: completes',
    run: (context) =>
      eventually(context, 'the job is Complete', async () => {
        const { status } = await context.client.get(pathOf('batch/v1', 'jobs', context.namespace, 'once'));
        const conditions = (status?.['conditions'] ?? []) as Fields[];
        const isComplete = conditions.some(({ type, status: value }) => type === 'Complete' && value === 'True');
        return isComplete && status?.['succeeded'] === 2;
      }),
  },
];

export const serviceChecks: readonly Check[] = [
  {
    name: 'Service: create, ClusterIP',
    run: async (context) => {
      const created = await context.client.create(pathOf('v1', 'services', context.namespace), {
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
      });
      expectEqual(at(created, 'spec.type'), 'ClusterIP', 'the type');
    },
  },
  {
    name: 'Service: has an IP of its own',
    run: async (context) => {
      const ipOf = async (service: string): Promise<unknown> =>
        at(await context.client.get(pathOf('v1', 'services', context.namespace, service)), 'spec.clusterIP');
      await context.client.create(pathOf('v1', 'services', context.namespace), {
        metadata: { name: 'web2' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
      });
      const [one, two] = [await ipOf('web'), await ipOf('web2')];
      expectThat(typeof one === 'string' && /^[\d.:a-f]+$/.test(one), `clusterIP ${String(one)}`);
      expectThat(one !== two, `both services have ${one}`);
    },
  },
  {
    name: 'Service: NodePort',
    run: async (context) => {
      const created = await context.client.create(pathOf('v1', 'services', context.namespace), {
        metadata: { name: 'web-outside' },
        spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80 }] },
      });
      const port = (at(created, 'spec.ports') as Fields[])[0]?.['nodePort'];
      expectThat(typeof port === 'number' && port > 1024, `nodePort ${String(port)}`);
    },
  },
  {
    name: 'PersistentVolumeClaim: create',
    run: async (context) => {
      const path = pathOf('v1', 'persistentvolumeclaims', context.namespace);
      const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
      await context.client.create(path, { metadata: { name: 'data' }, spec });
      const read = await context.client.get(`${path}/data`);
      expectEqual(at(read, 'spec.resources.requests.storage'), '1Gi', 'the size');
      await eventually(context, 'the claim has a phase', async () => {
        return ['Pending', 'Bound'].includes(String(at(await context.client.get(`${path}/data`), 'status.phase')));
      });
    },
  },
];

const pod = (context: Context): string => pathOf('v1', 'pods', context.namespace, 'talker');

export const podChecks: readonly Check[] = [
  {
    name: 'pod with env: runs',
    run: async (context) => {
      await context.client.create(pathOf('v1', 'pods', context.namespace), {
        metadata: { name: 'talker' },
        spec: podSpec(context.images[0], { env: [{ name: 'GREETING', value: 'good morning' }] }),
      });
      await eventually(context, 'the pod is ready', async () => isReady(await context.client.get(pod(context))));
    },
  },
  {
    name: 'pod: exec',
    run: async (context) => {
      expectEqual(await exec(context.client, pod(context), ['echo', 'hello']), 'hello\n', 'the output');
    },
  },
  {
    name: 'pod: its env var is seen by exec',
    run: async (context) => {
      expectEqual(await exec(context.client, pod(context), ['printenv', 'GREETING']), 'good morning\n', 'the output');
    },
  },
  {
    name: 'pod: logs',
    run: (context) =>
      eventually(context, 'the log has what the container wrote', async () => {
        return (await context.client.text(`${pod(context)}/log`)) === 'started\n';
      }),
  },
];

export const ownerCheck: Check = {
  name: 'owner references: what a Deployment owns goes with it',
  run: async (context) => {
    await context.client.delete(deployment(context), { propagationPolicy: 'Background' });
    await eventually(context, 'its pods are gone', async () => (await pods(context, 'web')).length === 0);
  },
};

export const namespaceDeletionCheck: Check = {
  name: 'namespace: delete, and all that is in it',
  run: async (context) => {
    const inside = pathOf('v1', 'configmaps', context.namespace);
    await context.client.create(inside, { metadata: { name: 'to-go' } });
    const path = pathOf('v1', 'namespaces', undefined, context.namespace);
    await context.client.delete(path);
    await eventually(context, 'the namespace is gone', () => isGone(context.client.get(path)));
    expectEqual((await context.client.list(inside)).items.length, 0, 'the number of ConfigMaps left');
  },
};
