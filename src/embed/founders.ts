/** Who founds the cluster, found out when this member has no data yet: as listed, by DNS, or through another etcd. */
import { createHash } from 'node:crypto';
import { parseInitialCluster } from '../config/initial-cluster.ts';
import { ConfigError } from '../config/config-error.ts';
import type { RegistryDiscovery, SrvDiscovery } from '../config/discovery-config.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { checkAdvertised } from '../discovery/advertised-match.ts';
import type { NameService } from '../discovery/name-service.ts';
import { memberId } from '../membership/ids.ts';
import type { RootLogger } from '../observability/logger.ts';
import type { Clock } from '../ports/clock.ts';
import type { InitialMember } from '../server/bootstrap.ts';

export interface Founders {
  /** This member among them. */
  readonly members: readonly InitialMember[];
  /** Goes into their ids. */
  readonly token: string;
}

/** Rejects with an Error of one line. */
export type FindFounders = () => Promise<Founders>;

export interface FounderParts {
  readonly clock: Clock;
  readonly logger: RootLogger;
  /** Without, as this machine has it. */
  readonly names?: NameService | undefined;
}

/** What the options list, unchecked. */
export function listedFounders({ initialCluster, initialClusterToken }: ServerConfig): Founders {
  return { members: initialCluster, token: initialClusterToken };
}

/** What is needed for it is loaded when it is. */
export async function findFounders(config: ServerConfig, parts: FounderParts): Promise<Founders> {
  const { discovery } = config;
  if (discovery?.kind === 'registry') return fromRegistry(config, discovery, parts);
  const founders = discovery === undefined ? listedFounders(config) : await fromSrv(config, discovery, parts);
  await matchOwnEntry(config, founders, parts);
  return founders;
}

async function nameService({ names }: FounderParts): Promise<NameService> {
  return names ?? new (await import('../discovery/system-name-service.ts')).SystemNameService();
}

async function matchOwnEntry(config: ServerConfig, { members }: Founders, parts: FounderParts): Promise<void> {
  // Who joins has told the cluster its URLs before.
  if (config.initialClusterState === 'existing') return;
  const advertised = config.initialAdvertisePeerUrls.map(({ text }) => text);
  const listed = members.find(({ name }) => name === config.name)?.peerURLs ?? [];
  if (listed.join() === advertised.join()) return;
  await checkAdvertised(config.name, listed, advertised, { clock: parts.clock, names: await nameService(parts) });
}

async function fromSrv(config: ServerConfig, discovery: SrvDiscovery, parts: FounderParts): Promise<Founders> {
  const { clusterFromSrv } = await import('../discovery/srv-cluster.ts');
  const query = {
    ...discovery,
    memberName: config.name,
    advertised: config.initialAdvertisePeerUrls.filter((url) => url.kind === 'tcp'),
  };
  const logger = parts.logger.child('discovery/srv-cluster.ts');
  try {
    const text = await clusterFromSrv(query, await nameService(parts), logger);
    for (const node of text.split(',')) logger.info('got bootstrap from DNS for etcd-server', { node });
    return { members: parseInitialCluster(text), token: config.initialClusterToken };
  } catch (error) {
    throw new Error(`error setting up initial cluster: ${reason(error)}`, { cause: error });
  }
}

async function fromRegistry(
  config: ServerConfig,
  discovery: RegistryDiscovery,
  parts: FounderParts,
): Promise<Founders> {
  if (config.initialClusterState === 'existing') {
    throw new Error('discovery URL should not be set when joining existing initial cluster');
  }
  const { token } = discovery;
  const { joinThroughRegistry } = await import('../discovery/registry.ts');
  const { GrpcRegistryClient } = await import('../discovery/grpc-registry-client.ts');
  const logger = parts.logger.child('discovery/registry.ts');
  const peerURLs = config.initialAdvertisePeerUrls.map(({ text }) => text);
  const id = memberId((bytes) => createHash('sha1').update(bytes).digest(), peerURLs, token);
  const entry = peerURLs.map((url) => `${config.name}=${url}`).join(',');
  logger.info('Bootstrapping cluster using v3 discovery.', { 'discovery-endpoints': discovery.endpoints });
  try {
    const client = new GrpcRegistryClient(discovery);
    const text = await joinThroughRegistry({ token, id, entry }, { client, clock: parts.clock, logger }).finally(() =>
      client.close(),
    );
    logger.info('discovery joined cluster successfully', { cluster: text });
    return { members: readFounders(text, config.name, peerURLs), token };
  } catch (error) {
    throw new Error(`failed to join discovery cluster (${reason(error)})`, { cause: error });
  }
}

/** What the registry holds comes from others: names and URLs may collide. */
function readFounders(text: string, name: string, peerURLs: readonly string[]): InitialMember[] {
  let members: InitialMember[];
  try {
    members = parseInitialCluster(text);
  } catch (error) {
    if (error instanceof ConfigError) throw new Error('discovery: invalid peer URL', { cause: error });
    throw error;
  }
  const urls = members.flatMap((member) => member.peerURLs);
  if (new Set(urls).size < urls.length) throw new Error(`discovery cluster ${text} has duplicate url`);
  const own = members.find((member) => member.name === name);
  if (own?.peerURLs.join() !== peerURLs.join()) {
    throw new Error(`discovery cluster ${text}: another member has the name ${JSON.stringify(name)}, too`);
  }
  return members;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
