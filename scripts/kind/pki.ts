/** Certificates for a Kind cluster: an authority of its own, one pair per member for clients and for peers, one for the API server. */
import { randomBytes, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { x509 } from '../../src/platform/tls/x509.ts';
import { apiServerPki, type KindPlan, memberNames, memberPki } from './plan.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const YEARS = 10;
const YEAR_MS = 365 * 24 * 3600 * 1000;

type Usage = 'server' | 'client';

/** Makes them, unless they are there. */
export async function ensurePki(plan: KindPlan): Promise<void> {
  const stamp = join(plan.dir, 'complete');
  if (existsSync(stamp)) return;
  const authority = await Authority.create(`${plan.name} quorate`);
  for (const member of memberNames(plan)) {
    const dir = memberPki(plan, member);
    const hosts = [member, 'localhost', '127.0.0.1'];
    await authority.issue(dir, 'server', { commonName: member, hosts, usages: ['server'] });
    // A member shows the same one when it dials.
    await authority.issue(dir, 'peer', { commonName: member, hosts, usages: ['server', 'client'] });
  }
  await authority.issue(apiServerPki(plan), 'client', {
    commonName: 'kube-apiserver-etcd-client',
    hosts: [],
    usages: ['client'],
  });
  writeFileSync(stamp, '');
}

interface Subject {
  readonly commonName: string;
  readonly hosts: readonly string[];
  readonly usages: readonly Usage[];
}

class Authority {
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
  }

  static async create(name: string): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: [{ CN: [name] }],
      ...validity(),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new Authority(keys, certificate);
  }

  /** `<name>.crt`, `<name>.key` and `ca.crt` in this folder. */
  async issue(dir: string, name: string, { commonName, hosts, usages }: Subject): Promise<void> {
    const keys = await newKeys();
    const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
    const names = hosts.map((value) => ({ type: /^[\d.]+$/.test(value) ? ('ip' as const) : ('dns' as const), value }));
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject: [{ CN: [commonName] }],
      issuer: this.#certificate.subject,
      ...validity(),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(usages.map((usage) => (usage === 'server' ? serverAuth : clientAuth))),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
    });
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'ca.crt'), `${this.#certificate.toString('pem')}\n`);
    writeFileSync(join(dir, `${name}.crt`), `${certificate.toString('pem')}\n`);
    writeFileSync(join(dir, `${name}.key`), `${x509.PemConverter.encode(key, 'PRIVATE KEY')}\n`, { mode: 0o600 });
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** Positive, and without a zero in front. */
function newSerial(): string {
  return `5${randomBytes(8).toString('hex').slice(1)}`;
}

function validity(): { notBefore: Date; notAfter: Date } {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - 3600 * 1000), notAfter: new Date(nowMs + YEARS * YEAR_MS) };
}
