import { setTimeout as sleep } from 'node:timers/promises';
import { at, type Fields, type KubeObject, pathOf } from '../kube-object.ts';
import { type KubeClient, KubeError, type KubeWatch } from '../kube-client.ts';
import { type Identity, KubeletEndpoint } from './kubelet-endpoint.ts';

const HEARTBEAT_MS = 5_000;
const RESYNC_MS = 5_000;
const NODE_LEASES = pathOf('coordination.k8s.io/v1', 'leases', 'kube-node-lease');
const NODES = pathOf('v1', 'nodes');

/**
 * Nodes without machines: they are registered, heartbeats renewed, and every pod that the scheduler gives them is Running and
 * Ready at once; pods that are to run once have succeeded. What their containers would write is worked out from the command.
 */
export class KubeletSimulator {
  readonly #client: KubeClient;
  readonly #names: readonly string[];
  readonly #endpoint: KubeletEndpoint;
  #stopped = false;
  #watch: KubeWatch | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #addresses = 0;

  static async start(client: KubeClient, names: readonly string[], identity: Identity): Promise<KubeletSimulator> {
    const endpoint = await KubeletEndpoint.start(client, identity);
    const simulator = new KubeletSimulator(client, names, endpoint);
    for (const name of names) await simulator.#register(name);
    simulator.#running = Promise.all([simulator.#heartbeats(), simulator.#pods()]);
    return simulator;
  }

  private constructor(client: KubeClient, names: readonly string[], endpoint: KubeletEndpoint) {
    this.#client = client;
    this.#names = names;
    this.#endpoint = endpoint;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    await this.#running;
    await this.#endpoint.stop();
  }

  async #register(name: string): Promise<void> {
    const status = this.#nodeStatus();
    await this.#client.create(NODES, {
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
      status,
    });
    await this.#client.patch(`${NODES}/${name}/status`, 'merge', { status });
  }

  #nodeStatus(): object {
    const now = new Date().toISOString().replace(/\.\d+/, '');
    const resources = { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' };
    const condition = (type: string, value: string): object => ({
      type,
      status: value,
      lastHeartbeatTime: now,
      lastTransitionTime: now,
      reason: 'Simulated',
    });
    return {
      capacity: resources,
      allocatable: resources,
      conditions: [
        condition('Ready', 'True'),
        condition('MemoryPressure', 'False'),
        condition('DiskPressure', 'False'),
        condition('PIDPressure', 'False'),
      ],
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: this.#endpoint.port } },
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: '',
        kernelVersion: 'simulated',
        osImage: 'simulated',
        containerRuntimeVersion: 'simulated://1',
        kubeletVersion: 'v1.30.0',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
    };
  }

  async #heartbeats(): Promise<void> {
    let nextMs = 0;
    while (!this.#stopped) {
      if (performance.now() < nextMs) {
        await sleep(100);
        continue;
      }
      nextMs = performance.now() + HEARTBEAT_MS;
      for (const name of this.#names) await this.#heartbeat(name).catch(() => undefined);
    }
  }

  async #heartbeat(name: string): Promise<void> {
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: 40,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    };
    try {
      await this.#client.patch(`${NODE_LEASES}/${name}`, 'merge', { spec });
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
      await this.#client.create(NODE_LEASES, { metadata: { name }, spec });
    }
    await this.#client.patch(`${NODES}/${name}/status`, 'merge', { status: this.#nodeStatus() });
  }

  /** Lists and watches all pods, again after each interruption. */
  async #pods(): Promise<void> {
    const pods = pathOf('v1', 'pods');
    while (!this.#stopped) {
      try {
        const list = await this.#client.list(pods);
        for (const pod of list.items) await this.#tend(pod);
        this.#watch = await this.#client.watch(pods, {
          resourceVersion: list.metadata.resourceVersion,
          timeoutSeconds: RESYNC_MS / 1000,
        });
        while (!this.#watch.ended || this.#watch.size > 0) {
          const { type, object } = await this.#watch.next(RESYNC_MS * 2);
          if (type === 'ERROR') break;
          if (type !== 'DELETED') await this.#tend(object);
        }
      } catch {
        await sleep(200);
      }
      this.#watch?.close();
    }
  }

  async #tend(pod: KubeObject): Promise<void> {
    const { metadata, spec, status } = pod;
    if (!this.#names.includes(String(spec?.['nodeName']))) return;
    const path = pathOf('v1', 'pods', metadata.namespace, metadata.name);
    const isOver = status?.['phase'] === 'Succeeded' || status?.['phase'] === 'Failed';
    const isRunning = status?.['phase'] === 'Running';
    try {
      if (metadata.deletionTimestamp !== undefined) {
        await this.#client.delete(path, { gracePeriodSeconds: 0, preconditions: { uid: metadata.uid } });
      } else if (!isOver && !isRunning) {
        await this.#client.patch(`${path}/status`, 'merge', { status: this.#podStatus(pod) });
      }
    } catch (error) {
      // Somebody else was faster: the watch will tell.
      if (!(error instanceof KubeError) || (error.status !== 404 && error.status !== 409)) throw error;
    }
  }

  #podStatus(pod: KubeObject): object {
    const now = new Date().toISOString().replace(/\.\d+/, '');
    const runsOnce = at(pod, 'spec.restartPolicy') !== 'Always';
    const ready = runsOnce ? 'False' : 'True';
    const address = ++this.#addresses;
    const conditions = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled', 'PodReadyToStartContainers'].map(
      (type) => ({ type, status: type.includes('Ready') ? ready : 'True', lastTransitionTime: now }),
    );
    const state = runsOnce
      ? { terminated: { exitCode: 0, reason: 'Completed', startedAt: now, finishedAt: now } }
      : { running: { startedAt: now } };
    return {
      phase: runsOnce ? 'Succeeded' : 'Running',
      conditions,
      hostIP: '127.0.0.1',
      podIP: `10.244.${(address >> 8) & 0xff}.${address & 0xff}`,
      startTime: now,
      containerStatuses: (at(pod, 'spec.containers') as Fields[]).map(({ name, image }) => ({
        name,
        image,
        imageID: '',
        ready: !runsOnce,
        started: !runsOnce,
        restartCount: 0,
        state,
      })),
    };
  }
}
