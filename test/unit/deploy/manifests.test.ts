/** The examples below deploy/ and the Dockerfile: they parse, refer to what is there, and use flags that the server takes. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import nodeEnvironment from '../../../scripts/node-environment.json' with { type: 'json' };
import nodeOptions from '../../../scripts/node-options.json' with { type: 'json' };
import { parseCommandLine } from '../../../src/config/command-line.ts';
import type { ServerConfig } from '../../../src/config/server-config.ts';

const REPO = join(import.meta.dirname, '../../..');
const DEPLOY = join(REPO, 'deploy');

const read = (path: string): string => readFileSync(join(REPO, path), 'utf8');

function documents(path: string): unknown[] {
  return parseAllDocuments(read(path), { strict: true, uniqueKeys: true }).map((document) => {
    expect(document.errors, path).toEqual([]);
    expect(document.warnings, path).toEqual([]);
    return document.toJS() as unknown;
  });
}

function theOnly<T>(path: string): T {
  const [document, ...more] = documents(path);
  expect(more, path).toEqual([]);
  return document as T;
}

/** What the server makes of these flags, or of this configuration file; warnings are errors. */
function configOf(flags: readonly string[], file = ''): ServerConfig {
  const command = parseCommandLine(flags, {}, () => file);
  if (command.kind !== 'run') throw new Error(JSON.stringify(command));
  expect(command.warnings).toEqual([]);
  return command.config;
}

describe('all examples', () => {
  const files = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' }).filter((file) => /\.\w+$/.test(file));

  test('parse', () => {
    const yaml = files.filter((file) => file.endsWith('.yaml'));
    expect(yaml.length).toBeGreaterThan(7);
    for (const file of yaml) expect(documents(join('deploy', file)).length, file).toBeGreaterThan(0);
  });

  test('are explained, each on a line of its own', () => {
    const explained = [...read('deploy/README.md').matchAll(/^\| \[[^\]]+\]\(([^)]+)\)/gm)].map(
      ([, path]) => path ?? '',
    );
    expect(explained.sort()).toEqual(files.filter((file) => file !== 'README.md').sort());
  });
});

interface Labels {
  readonly [name: string]: string;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly valueFrom: { fieldRef: { fieldPath: string } } }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly resources: { readonly requests: { readonly cpu: string; readonly memory: string } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface Service extends Resource {
  readonly spec: {
    readonly clusterIP?: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly selector: Labels;
    readonly ports: readonly { readonly port: number }[];
  };
}

interface StatefulSet extends Resource {
  readonly spec: {
    readonly serviceName: string;
    readonly replicas: number;
    readonly podManagementPolicy: string;
    readonly selector: { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly securityContext: { readonly runAsUser: number; readonly fsGroup: number };
        readonly affinity: {
          readonly podAntiAffinity: {
            readonly requiredDuringSchedulingIgnoredDuringExecution: readonly {
              readonly topologyKey: string;
              readonly labelSelector: { readonly matchLabels: Labels };
            }[];
          };
        };
        readonly containers: readonly Container[];
      };
    };
    readonly volumeClaimTemplates: readonly {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly accessModes: readonly string[]; readonly resources: { requests: { storage: string } } };
    }[];
  };
}

describe('the StatefulSet', () => {
  const resources = documents('deploy/kubernetes/statefulset.yaml') as Resource[];
  const set = resources.find(({ kind }) => kind === 'StatefulSet') as StatefulSet;
  const services = resources.filter(({ kind }) => kind === 'Service') as Service[];
  const { template } = set.spec;
  const [container, ...others] = template.spec.containers;
  if (container === undefined || others.length > 0) throw new Error('one container is expected');

  /** As the kubelet expands them. */
  const flagsOf = (pod: number): string[] =>
    container.args.map((arg) =>
      arg.replaceAll('$(POD_NAME)', `${set.metadata.name}-${pod}`).replaceAll('$(NAMESPACE)', 'default'),
    );

  test('has kinds and versions that Kubernetes knows', () => {
    const names = resources.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`);
    expect(names).toEqual(['v1 Service quorate-peers', 'v1 Service quorate', 'apps/v1 StatefulSet quorate']);
  });

  test('selects its own pods, and so do the services, the spreading and the budget', () => {
    const { labels } = template.metadata;
    expect(set.spec.selector.matchLabels).toEqual(labels);
    for (const service of services) expect(service.spec.selector).toEqual(labels);
    const [rule] = template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    expect(rule).toEqual({ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } });
    const budget = theOnly<Resource & { spec: { selector: { matchLabels: Labels }; maxUnavailable: number } }>(
      'deploy/kubernetes/disruption.yaml',
    );
    expect(budget).toMatchObject({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' });
    expect(budget.spec).toEqual({ maxUnavailable: 1, selector: { matchLabels: labels } });
  });

  test('has pods that find each other before they are ready, all at once', () => {
    const service = services.find(({ metadata }) => metadata.name === set.spec.serviceName);
    expect(service?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(set.spec.podManagementPolicy).toBe('Parallel');
  });

  test('gives each pod flags that make it one of the founders', () => {
    const fields = container.env.map(({ name, valueFrom }) => [name, valueFrom.fieldRef.fieldPath]);
    expect(fields).toEqual([
      ['POD_NAME', 'metadata.name'],
      ['NAMESPACE', 'metadata.namespace'],
    ]);
    for (let pod = 0; pod < set.spec.replicas; pod++) {
      const config = configOf(flagsOf(pod));
      expect(config.initialCluster).toHaveLength(set.spec.replicas);
      const host = `quorate-${pod}.${set.spec.serviceName}.default.svc`;
      expect(config.name).toBe(`quorate-${pod}`);
      expect(config.initialAdvertisePeerUrls.map(({ text }) => text)).toEqual([`http://${host}:2380`]);
      expect(config.advertiseClientUrls.map(({ text }) => text)).toEqual([`http://${host}:2379`]);
    }
  });

  test('names ports that the server listens on, for services and probes too', () => {
    const { listenClientUrls, listenPeerUrls, listenMetricsUrls } = configOf(flagsOf(0));
    const portOf = ([url]: typeof listenClientUrls): number => (url?.kind === 'tcp' ? url.port : 0);
    expect(container.ports).toEqual([
      { name: 'client', containerPort: portOf(listenClientUrls) },
      { name: 'peer', containerPort: portOf(listenPeerUrls) },
      { name: 'metrics', containerPort: portOf(listenMetricsUrls) },
    ]);
    const ports = container.ports.map(({ containerPort }) => containerPort);
    for (const { spec } of services) for (const { port } of spec.ports) expect(ports).toContain(port);
    expect(container.startupProbe.httpGet).toEqual({ path: '/livez', port: 'metrics' });
    expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port: 'metrics' });
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'metrics' });
  });

  test('keeps data on the claimed volume, with room beyond the quota', () => {
    const [claim] = set.spec.volumeClaimTemplates;
    const [mount] = container.volumeMounts;
    expect(claim?.metadata.name).toBe(mount?.name);
    expect(claim?.spec.accessModes).toEqual(['ReadWriteOnce']);
    const { dataDir, quotaBytes } = configOf(flagsOf(0));
    expect(dirname(dataDir)).toBe(mount?.mountPath);
    expect(Number.parseInt(claim?.spec.resources.requests.storage ?? '', 10) * 2 ** 30).toBeGreaterThan(2 * quotaBytes);
    expect(container.resources.requests).toEqual({ cpu: expect.any(String), memory: expect.any(String) });
  });

  test("runs as the image's user, who may write to the volume", () => {
    const user = Number(/^USER (\d+):\d+$/m.exec(read('Dockerfile'))?.[1]);
    expect(user).toBeGreaterThan(0);
    expect(template.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: user, fsGroup: user });
  });
});

interface ExternalEtcd {
  readonly endpoints: readonly string[];
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

describe('the examples for kubeadm', () => {
  test('external: three endpoints over TLS, with the files that it asks for', () => {
    const config = theOnly<{ etcd: { external: ExternalEtcd } }>('deploy/kubeadm/external-etcd.yaml');
    expect(config).toMatchObject({ apiVersion: 'kubeadm.k8s.io/v1beta4', kind: 'ClusterConfiguration' });
    const { endpoints, ...files } = config.etcd.external;
    expect(Object.keys(files).sort()).toEqual(['caFile', 'certFile', 'keyFile']);
    const { config: member } = systemd();
    const port = (url: string): string => new URL(url).port;
    expect(endpoints).toHaveLength(3);
    for (const endpoint of endpoints) {
      expect(endpoint).toMatch(/^https:\/\//);
      expect(port(endpoint)).toBe(port(member.advertiseClientUrls[0]?.text ?? ''));
    }
  });

  test('stacked: a tag that kubeadm reads as the version that quorate gives itself', () => {
    const config = theOnly<{ etcd: { local: { imageTag: string } } }>('deploy/kubeadm/stacked.yaml');
    const version = /ETCD_COMPAT_VERSION = '([^']+)'/.exec(read('src/config/version.ts'))?.[1];
    expect(config).toMatchObject({ apiVersion: 'kubeadm.k8s.io/v1beta4', kind: 'ClusterConfiguration' });
    expect(config.etcd.local.imageTag).toBe(`${version}-0`);
    expect(read('Dockerfile')).toContain(' AS kubeadm\nUSER 0:0\n');
    expect(theOnly('deploy/kubeadm/patches/etcd.yaml')).toMatchObject({
      kind: 'Pod',
      metadata: { name: 'etcd', namespace: 'kube-system' },
      spec: { securityContext: { runAsUser: 0 } },
    });
  });
});

function systemd(): { readonly unit: string; readonly command: readonly string[]; readonly config: ServerConfig } {
  const unit = read('deploy/systemd/quorate.service');
  const command = (/^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '').split(' ');
  return { unit, command, config: configOf(['--config-file=x'], read('deploy/systemd/quorate.yaml')) };
}

describe('the systemd unit', () => {
  test('starts the bundle as `npm start` does, with the configuration file beside it', () => {
    const { unit, command, config } = systemd();
    expect(command).toEqual([
      '/opt/quorate/node_modules/.bin/node',
      ...nodeOptions,
      '/opt/quorate/dist/quorate.mjs',
      '--config-file=/etc/quorate/quorate.yaml',
    ]);
    const assignments = Object.entries(nodeEnvironment).map(([variable, value]) => `${variable}=${value}`);
    expect(unit).toContain(`\nEnvironment=${assignments.join(' ')}\n`);
    expect(config.initialCluster.map(({ name }) => name)).toContain(config.name);
    // The only place that ProtectSystem=strict leaves it.
    expect(unit).toContain('\nStateDirectory=quorate\n');
    expect(config.dataDir.startsWith('/var/lib/quorate/')).toBe(true);
    expect(config.clientTls?.requiresCertificate).toBe(true);
    expect(config.peerTls?.requiresCertificate).toBe(true);
  });

  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
  if (!hasSystemd) console.warn('skipped: systemd-analyze is not on this machine');

  test.skipIf(!hasSystemd)('is found good by systemd-analyze', () => {
    const dir = mkdtempSync(join(tmpdir(), 'quorate-unit-'));
    try {
      // It looks whether the program is there.
      const program = join(dir, 'node');
      mkdirSync(dirname(program), { recursive: true });
      writeFileSync(program, '', { mode: 0o755 });
      const verify = (unit: string): { status: number | null; complaints: string[] } => {
        writeFileSync(join(dir, 'quorate.service'), unit.replace('/opt/quorate/node_modules/.bin/node', program));
        const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(dir, 'quorate.service')], {
          encoding: 'utf8',
        });
        const complaints = stderr.split('\n').filter((line) => line.includes('quorate.service'));
        return { status, complaints };
      };
      const { unit } = systemd();
      expect(verify(unit)).toEqual({ status: 0, complaints: [] });
      expect(verify(unit.replace('Type=exec', 'Typo=exec')).complaints.join()).toContain('Typo');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('the scrape configuration', () => {
  interface Scrape {
    readonly scrape_configs: readonly {
      readonly job_name: string;
      readonly static_configs?: readonly { readonly targets: readonly string[] }[];
    }[];
  }

  test("has jobs that etcd's alert rules look at, on the port for metrics", () => {
    const { scrape_configs: jobs } = theOnly<Scrape>('deploy/prometheus/scrape.yaml');
    expect(jobs).toHaveLength(2);
    // The rules' selector: job=~".*etcd.*".
    for (const { job_name: name } of jobs) expect(name).toMatch(/^.*etcd.*$/);
    const targets = jobs.flatMap((job) => job.static_configs ?? []).flatMap((one) => one.targets);
    const { listenMetricsUrls } = systemd().config;
    expect(listenMetricsUrls.map(({ text }) => text)).toContain(`http://${targets[0]}`);
  });
});

describe('the Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  test('takes the Node that is tested here', () => {
    const manifest = JSON.parse(read('package.json')) as { devDependencies: { node: string } };
    expect(dockerfile).toContain(`\nARG NODE_IMAGE=node:${manifest.devDependencies.node}-bookworm-slim\n`);
  });

  test('serves, without arguments, with flags that the server takes', () => {
    const flags = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]') as string[];
    expect(flags).toHaveLength(3);
    expect(configOf(flags).listenMetricsUrls.map(({ text }) => text)).toEqual(['http://0.0.0.0:2381']);
  });

  test('copies what .dockerignore lets through, and nothing else is', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources]) =>
      (sources ?? '').split(' '),
    );
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    expect(allowed.map((line) => line.slice(1)).sort()).toEqual(copied.sort());
  });
});
