/** The name servers of this machine. */
import { readFileSync } from 'node:fs';
import { promises as dns } from 'node:dns';
import { isIP } from 'node:net';
import type { NameService, SrvRecord } from './name-service.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** Servers that do not answer: the member tries for this long, and its supervisor starts it again. */
const TRY_MS = 5000;
const TRIES = 2;

export class SystemNameService implements NameService {
  readonly #resolver = new dns.Resolver({ timeout: TRY_MS, tries: TRIES });
  readonly #resolvConf: () => string;

  constructor(resolvConf: () => string = readResolvConf) {
    this.#resolvConf = resolvConf;
  }

  async srv(service: string, domain: string): Promise<readonly SrvRecord[]> {
    const name = `_${service}._tcp.${domain}`;
    let first: unknown;
    for (const candidate of searchNames(name, this.#resolvConf())) {
      try {
        const records = await this.#resolver.resolveSrv(candidate);
        return records
          .toSorted((a, b) => a.priority - b.priority || a.weight - b.weight)
          .map(({ name: target, port }) => ({ target, port }));
      } catch (error) {
        first ??= error;
        if (!isUnknown(error)) break;
      }
    }
    throw new Error(`lookup ${name}: ${reason(first)}`, { cause: first });
  }

  async address(host: string): Promise<string> {
    if (isIP(host) !== 0) return host;
    try {
      return (await dns.lookup(host, { order: 'ipv4first' })).address;
    } catch (error) {
      throw new Error(`lookup ${host}: ${reason(error)}`, { cause: error });
    }
  }
}

function readResolvConf(): string {
  try {
    return readFileSync(RESOLV_CONF, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The names to ask for, in order: as the system's resolver does for hosts, which the one for SRV records does not do itself.
 * A name with a dot at its end stands for itself alone.
 */
export function searchNames(name: string, resolvConf: string): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  let domains: string[] = [];
  let dotsMin = 1;
  for (const line of resolvConf.split('\n')) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === 'search' || keyword === 'domain') domains = words.map((word) => word.replace(/\.$/, ''));
    const dots = keyword === 'options' ? words.map((word) => /^ndots:(\d+)$/.exec(word)?.[1]).find(Boolean) : undefined;
    if (dots !== undefined) dotsMin = Math.min(Number(dots), 15);
  }
  const extended = domains.filter((domain) => domain !== '').map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= dotsMin ? [name, ...extended] : [...extended, name];
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function isUnknown(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

function reason(error: unknown): string {
  if (isUnknown(error)) return 'no such host';
  const code = codeOf(error);
  if (code === 'ETIMEOUT') return 'i/o timeout';
  if (code === 'EAI_AGAIN' || code === 'ECONNREFUSED' || code === 'ESERVFAIL') return `server misbehaving (${code})`;
  return error instanceof Error ? error.message : String(error);
}
