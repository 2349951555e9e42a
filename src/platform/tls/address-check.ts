/** Whether a certificate is for the address that its owner connects from, as etcd asks of its peers (etcd-behaviour §5.1). */
import type { X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';

/** A name server that does not answer must not hold up a connection for longer than its dialer waits. */
const REVERSE_TIMEOUT_MS = 1000;
const REVERSE_TRIES = 2;

export interface Names {
  /** Addresses of a name. */
  forward(name: string): Promise<readonly string[]>;
  /** Names of an address, without the dot at their end. */
  reverse(address: string): Promise<readonly string[]>;
}

/** `lookup` as for net.connect. */
export function systemNames(lookup: LookupFunction): Names {
  const resolver = new Resolver({ timeout: REVERSE_TIMEOUT_MS, tries: REVERSE_TRIES });
  return {
    forward: (name) =>
      new Promise((resolve, reject) => {
        lookup(name, { all: true }, (error, addresses) => {
          if (error !== null) reject(error);
          else resolve(typeof addresses === 'string' ? [addresses] : addresses.map(({ address }) => address));
        });
      }),
    reverse: async (address) => (await resolver.reverse(address)).map((name) => name.replace(/\.$/, '')),
  };
}

/** Resolves with why the certificate is not for `address`, or undefined. One that names neither hosts nor addresses is for all. */
export async function whyNotFrom(
  certificate: X509Certificate,
  address: string,
  names: Names,
): Promise<string | undefined> {
  const subjects = subjectsOf(certificate);
  if (subjects.addresses === 0 && subjects.names.length === 0) return undefined;
  const plain = plainAddress(address);
  if (certificate.checkIP(plain) !== undefined) return undefined;
  if (subjects.names.length === 0) {
    return `x509: certificate is valid for ${certificate.subjectAltName ?? ''}, not ${plain}`;
  }
  const failures: string[] = [];
  const attempt = async (check: Promise<boolean>): Promise<boolean> =>
    check.catch((error: unknown) => {
      failures.push(error instanceof Error ? error.message : String(error));
      return false;
    });
  const hosts = subjects.names.filter((name) => !name.startsWith('*.'));
  for (const host of hosts) {
    if (await attempt(names.forward(host).then((found) => found.some((other) => plainAddress(other) === plain)))) {
      return undefined;
    }
  }
  if (await attempt(names.reverse(plain).then((found) => found.some((name) => isOneOf(name, subjects.names))))) {
    return undefined;
  }
  const why = failures.length === 0 ? '' : ` (${failures.join('; ')})`;
  return `tls: ${JSON.stringify(plain)} does not match any of DNSNames ${JSON.stringify(subjects.names)}${why}`;
}

/** As etcd compares what an address resolves to: a star stands for any number of labels. */
function isOneOf(name: string, subjects: readonly string[]): boolean {
  return subjects.some((subject) => (subject.startsWith('*.') ? name.endsWith(subject.slice(1)) : name === subject));
}

/** IPv4 in IPv6's clothes, as a socket that listens on both reports it, is IPv4. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** `DNS:a, IP Address:127.0.0.1`; a value with anything unusual in it is in quotes, as in JSON. */
const SUBJECT = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)/g;

function subjectsOf(certificate: X509Certificate): { readonly names: string[]; readonly addresses: number } {
  const subjects = [...(certificate.subjectAltName ?? '').matchAll(SUBJECT)];
  const names = subjects.flatMap(([, kind, value = '']) => (kind === 'DNS' ? [unquoted(value)] : []));
  return { names, addresses: subjects.filter(([, kind]) => kind === 'IP Address').length };
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
