/** What a Kind cluster on quorate consists of: names, command lines and Kind's configuration. Touches nothing. */
import { join } from 'node:path';
import { parseAllDocuments, parse, stringify } from 'yaml';

export interface KindPlan {
  /** Of the Kind cluster; containers and volumes begin with it. */
  readonly name: string;
  /** How many quorate there are. */
  readonly size: number;
  readonly tls: boolean;
  /** Where files of this cluster are kept. */
  readonly dir: string;
  /** Docker's, that Kind's nodes are in too. */
  readonly network: string;
  readonly image: string;
}

/** Where a member's container finds its certificates. */
const PKI = '/etc/quorate/pki';
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const METRICS_PORT = 2381;

export function memberNames({ name, size }: Pick<KindPlan, 'name' | 'size'>): string[] {
  return Array.from({ length: size }, (_, i) => `${name}-etcd-${i + 1}`);
}

/** The folder with a member's certificates, and that of the API server's. */
export function memberPki({ dir }: KindPlan, member: string): string {
  return join(dir, member);
}

export function apiServerPki({ dir }: KindPlan): string {
  return join(dir, 'api-server');
}

export function endpoints(plan: KindPlan): string[] {
  return memberNames(plan).map((member) => `${scheme(plan)}://${member}:${CLIENT_PORT}`);
}

function scheme({ tls }: KindPlan): string {
  return tls ? 'https' : 'http';
}

/** The server's flags. */
export function memberFlags(plan: KindPlan, member: string): string[] {
  const peerUrl = (name: string): string => `${scheme(plan)}://${name}:${PEER_PORT}`;
  return [
    `--name=${member}`,
    `--listen-client-urls=${scheme(plan)}://0.0.0.0:${CLIENT_PORT}`,
    `--advertise-client-urls=${scheme(plan)}://${member}:${CLIENT_PORT}`,
    `--listen-peer-urls=${scheme(plan)}://0.0.0.0:${PEER_PORT}`,
    `--initial-advertise-peer-urls=${peerUrl(member)}`,
    `--initial-cluster=${memberNames(plan)
      .map((name) => `${name}=${peerUrl(name)}`)
      .join(',')}`,
    `--initial-cluster-token=${plan.name}`,
    `--listen-metrics-urls=http://0.0.0.0:${METRICS_PORT}`,
    // As kubeadm has it.
    '--watch-progress-notify-interval=5s',
    ...(plan.tls ? TLS_FLAGS : []),
  ];
}

const TLS_FLAGS = [
  `--cert-file=${PKI}/server.crt`,
  `--key-file=${PKI}/server.key`,
  '--client-cert-auth',
  `--trusted-ca-file=${PKI}/ca.crt`,
  `--peer-cert-file=${PKI}/peer.crt`,
  `--peer-key-file=${PKI}/peer.key`,
  '--peer-client-cert-auth',
  `--peer-trusted-ca-file=${PKI}/ca.crt`,
];

/** The arguments of `docker` that start a member. */
export function runArguments(plan: KindPlan, member: string): string[] {
  // Kind's nodes come back when the machine does, and so do these. The keys belong to whoever made them.
  const options = ['--network', plan.network, '--restart', 'unless-stopped', '--volume', `${member}:/var/lib/quorate`];
  if (plan.tls) options.push('--user', '0:0', '--volume', `${memberPki(plan, member)}:${PKI}:ro`);
  return ['run', '--detach', '--name', member, ...options, plan.image, ...memberFlags(plan, member)];
}

interface KindConfig {
  name: string;
  nodes: { role: string; extraMounts?: { hostPath: string; containerPath: string; readOnly: boolean }[] }[];
  kubeadmConfigPatches: string[];
}

interface EtcdPatch {
  kind: string;
  etcd: { external: { endpoints: string[] } };
}

/** The file of this repository that `kindConfig` starts from. */
export function templateFile({ tls }: Pick<KindPlan, 'tls'>): string {
  return tls ? 'deploy/kind/mutual-tls.yaml' : 'kind-config.yaml';
}

/** The template with this plan's names. */
export function kindConfig(plan: KindPlan, template: string): string {
  const [document, ...more] = parseAllDocuments(template);
  if (document === undefined || more.length > 0) throw new Error('one YAML document is expected');
  const config = document.toJS() as KindConfig;
  for (const node of config.nodes) {
    for (const mount of node.extraMounts ?? []) {
      mount.hostPath = mount.hostPath.replace('.cache/kind/quorate/api-server', apiServerPki(plan));
    }
  }
  const patches = config.kubeadmConfigPatches.map((text) => {
    const patch = parse(text) as EtcdPatch;
    patch.etcd.external.endpoints = endpoints(plan);
    return stringify(patch);
  });
  return stringify({ ...config, name: plan.name, kubeadmConfigPatches: patches });
}
