/** --discovery-srv: who founds the cluster, by the SRV records of a domain (etcd-behaviour §6.2). */
import type { Logger } from '../ports/logger.ts';
import type { NameService } from './name-service.ts';

export interface SrvQuery {
  readonly domain: string;
  /** Appended to the service's name after a dash; empty: nothing is. */
  readonly serviceName: string;
  /** Of this member; the others have numbers for names until they tell theirs. */
  readonly memberName: string;
  /** Where the other members reach this one: the record that leads to the same address is its own. */
  readonly advertised: readonly AdvertisedUrl[];
}

export interface AdvertisedUrl {
  readonly text: string;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

const SERVICES = [
  { scheme: 'https', service: 'etcd-server-ssl' },
  { scheme: 'http', service: 'etcd-server' },
] as const;

/**
 * The founders as --initial-cluster would name them. The records for TLS and those without count together; one kind may be
 * missing. Rejects with an Error of one line if both are.
 */
export async function clusterFromSrv(query: SrvQuery, names: NameService, logger: Logger): Promise<string> {
  const { domain, serviceName, memberName } = query;
  const found: string[] = [];
  const errors: Error[] = [];
  for (const { scheme, service: base } of SERVICES) {
    const service = serviceName === '' ? base : `${base}-${serviceName}`;
    const result = await founders(query, scheme, service, names).catch((error: unknown) => asError(error));
    const entries = result instanceof Error ? [] : result;
    if (result instanceof Error) errors.push(result);
    found.push(...entries);
    logger.info(`get cluster for ${base} SRV`, {
      'service-scheme': scheme,
      'service-name': service,
      'server-name': memberName,
      'discovery-srv': domain,
      'found-cluster': entries,
      ...(result instanceof Error && { error: result.message }),
    });
  }
  const error = errors.map(({ message }) => message).join('; ');
  if (found.length === 0 && error !== '') throw new Error(error);
  if (error !== '') logger.warn('failed to resolve during SRV discovery', { error });
  if (!found.some((entry) => entry.startsWith(`${memberName}=`))) {
    throw new Error(`cannot find local etcd member ${JSON.stringify(memberName)} in SRV records`);
  }
  return found.join(',');
}

/** Of one service. A record whose host has no address, or that is this member's with another scheme, is left out. */
async function founders(query: SrvQuery, scheme: string, service: string, names: NameService): Promise<string[]> {
  const { memberName, advertised, domain } = query;
  const own = new Map<string, AdvertisedUrl>();
  for (const url of advertised) own.set(`${await names.address(url.host)} ${url.port}`, url);
  const records = await names.srv(service, domain).catch((error: unknown) => {
    throw failed(service, error);
  });
  const entries: string[] = [];
  let unnamed = 0;
  let problem: unknown;
  for (const { target, port } of records) {
    const host = target.replace(/\.$/, '');
    const address = await names.address(target).catch((error: unknown) => void (problem = error));
    if (address === undefined) continue;
    const self = own.get(`${address} ${port}`);
    const name = self === undefined ? String(unnamed++) : memberName;
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (self === undefined || self.secure === (scheme === 'https')) entries.push(`${name}=${url}`);
    else {
      const text = `bootstrap at ${url} from DNS for ${service} has scheme mismatch with expected peer ${self.text}`;
      problem = new Error(text);
    }
  }
  if (entries.length === 0 && problem !== undefined) throw failed(service, problem);
  return entries;
}

function failed(service: string, cause: unknown): Error {
  return new Error(`error querying DNS SRV records for _${service} ${asError(cause).message}`, { cause });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
