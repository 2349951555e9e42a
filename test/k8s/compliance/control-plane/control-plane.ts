/** A control plane on this machine, from binaries, on a store under test; with simulated nodes. */
import { join } from 'node:path';
import { type Authority, CertificateFolder, type Issued } from '../../../support/certificates.ts';
import { freePort } from '../../../support/free-port.ts';
import type { ServerKind } from '../../../support/server-process.ts';
import { until } from '../../../support/until.ts';
import { KubeClient } from '../kube-client.ts';
import type { Access } from '../kubeconfig.ts';
import type { Binaries } from './binaries.ts';
import { Component } from './component.ts';
import { KubeletSimulator } from './kubelet-simulator.ts';
import { Store } from './store.ts';

export interface ControlPlaneOptions {
  readonly store: ServerKind;
  readonly members: number;
  readonly binaries: Binaries;
  readonly eventTtlSeconds: number;
  readonly compactionSeconds: number;
}

const TOKEN = 'compliance';
const NODES = ['node-1', 'node-2'];
const START_TIMEOUT_MS = 300_000;
/** A busy machine must not look like one that has failed. */
const PATIENT_ELECTION = [
  '--leader-elect-lease-duration=120s',
  '--leader-elect-renew-deadline=90s',
  '--leader-elect-retry-period=5s',
];

export class ControlPlane {
  readonly access: Access;
  readonly store: Store;
  readonly client: KubeClient;
  readonly #folder: CertificateFolder;
  readonly #accounts: Issued;
  readonly #components: Component[] = [];
  #nodes: KubeletSimulator | undefined;

  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const folder = new CertificateFolder();
    const authority = await folder.authority('compliance');
    const store = await Store.start(options.store, options.members, authority);
    const port = await freePort();
    const access: Access = {
      server: `https://127.0.0.1:${port}`,
      ca: Buffer.from(authority.cert),
      token: TOKEN,
    };
    const accounts = await authority.issue('service-accounts');
    const plane = new ControlPlane(folder, store, access, accounts);
    try {
      await plane.#startApiServer(port, authority, options);
      plane.#startControllers(options.binaries, authority.caFile);
      const identity = await authority.issue('kubelet');
      plane.#nodes = await KubeletSimulator.start(plane.client, NODES, identity);
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  private constructor(folder: CertificateFolder, store: Store, access: Access, accounts: Issued) {
    this.#folder = folder;
    this.#accounts = accounts;
    this.store = store;
    this.access = access;
    this.client = new KubeClient(access);
  }

  /** Names of parts that have ended by themselves. */
  get ended(): string[] {
    return this.#components.filter(({ running }) => !running).map(({ name }) => name);
  }

  logTail(name: string): string {
    return this.#components.find((component) => component.name === name)?.logTail() ?? '';
  }

  async stop(): Promise<void> {
    await this.#nodes?.stop();
    this.client.close();
    for (const component of this.#components.reverse()) await component.stop();
    await this.store.stop();
    this.#folder.remove();
  }

  async #startApiServer(port: number, authority: Authority, options: ControlPlaneOptions): Promise<void> {
    const serving = await authority.issue('apiserver', { hosts: ['127.0.0.1', 'localhost', '10.96.0.1'] });
    const storeClient = await authority.issue('apiserver-etcd-client', { usages: ['client'] });
    const tokens = this.#folder.write('tokens.csv', `${TOKEN},admin,admin,system:masters\n`);
    this.#start('kube-apiserver', options.binaries.apiServer, [
      `--etcd-servers=${this.store.urls}`,
      `--etcd-cafile=${authority.caFile}`,
      `--etcd-certfile=${storeClient.certFile}`,
      `--etcd-keyfile=${storeClient.keyFile}`,
      `--etcd-compaction-interval=${options.compactionSeconds}s`,
      `--event-ttl=${options.eventTtlSeconds}s`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--token-auth-file=${tokens}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${this.#accounts.certFile}`,
      `--service-account-signing-key-file=${this.#accounts.keyFile}`,
      '--allow-privileged',
      '--profiling=false',
    ]);
    await until('kube-apiserver is ready, or has ended', () => this.#isReadyOrEnded(), START_TIMEOUT_MS);
    for (const name of this.ended) throw new Error(`${name} has ended:\n${this.logTail(name)}`);
  }

  async #isReadyOrEnded(): Promise<boolean> {
    return this.ended.length > 0 || (await this.client.text('/readyz')) === 'ok';
  }

  #startControllers({ controllerManager, scheduler }: Binaries, caFile: string): void {
    const kubeconfig = this.#folder.write('kubeconfig', kubeconfigFor(this.access.server, caFile));
    const common = [`--kubeconfig=${kubeconfig}`, '--secure-port=0', '--profiling=false', ...PATIENT_ELECTION];
    if (controllerManager !== undefined) {
      this.#start('kube-controller-manager', controllerManager, [
        ...common,
        `--service-account-private-key-file=${this.#accounts.keyFile}`,
        `--root-ca-file=${caFile}`,
        '--node-monitor-grace-period=300s',
      ]);
    }
    if (scheduler !== undefined) this.#start('kube-scheduler', scheduler, common);
  }

  #start(name: string, file: string, args: readonly string[]): void {
    this.#components.push(new Component(name, file, args, join(this.#folder.dir, `${name}.log`)));
  }
}

/** JSON is YAML. */
function kubeconfigFor(server: string, caFile: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': caFile } }],
    users: [{ name: 'u', user: { token: TOKEN } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}
