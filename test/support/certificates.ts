/** Certificates for tests: authorities, what they issue, and what they revoke; as files, as a server takes them. */
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 24 * 3600 * 1000;

export interface CertificateOptions {
  /** Empty: none. */
  readonly commonName?: string;
  /** Names and addresses; 127.0.0.1 if not given. */
  readonly hosts?: readonly string[];
  /** By default for servers and for clients. */
  readonly usages?: readonly ('server' | 'client')[];
  /** Negative: it has expired. */
  readonly days?: number;
  /** Hexadecimal. */
  readonly serial?: string;
}

/** A certificate with its key, as PEM and as files. */
export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
  /** Hexadecimal. */
  readonly serial: string;
}

/** A folder of its own for one test file. */
export class CertificateFolder {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'quorate-certificates-'));

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.dir, name);
    writeFileSync(path, content);
    return path;
  }

  async authority(name: string): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: `CN=${name}`,
      ...validity(2),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new Authority(this, name, keys, certificate);
  }
}

export class Authority {
  readonly caFile: string;
  readonly cert: string;
  readonly #folder: CertificateFolder;
  readonly #name: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;

  constructor(
    folder: CertificateFolder,
    name: string,
    keys: webcrypto.CryptoKeyPair,
    certificate: x509.X509Certificate,
  ) {
    this.#folder = folder;
    this.#name = name;
    this.#keys = keys;
    this.#certificate = certificate;
    this.cert = certificate.toString('pem');
    this.caFile = folder.write(`${name}-ca.pem`, this.cert);
  }

  /** Files `<name>.pem` and `<name>-key.pem`; an earlier one of the name is replaced. */
  async issue(name: string, options: CertificateOptions = {}): Promise<Issued> {
    const { hosts = ['127.0.0.1'], usages = ['server', 'client'], days = 2, serial = newSerial() } = options;
    const commonName = options.commonName ?? name;
    const keys = await newKeys();
    const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
    const names = hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }));
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: commonName === '' ? 'O=quorate' : `CN=${commonName}`,
      issuer: this.#certificate.subject,
      ...validity(days),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.ExtendedKeyUsageExtension(usages.map((usage) => (usage === 'server' ? serverAuth : clientAuth))),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
    });
    const cert = certificate.toString('pem');
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
    const certFile = this.#folder.write(`${name}.pem`, cert);
    const keyFile = this.#folder.write(`${name}-key.pem`, key);
    return { certFile, keyFile, cert, key, serial };
  }

  /** A file `<CA>-crl.der`: what every version of etcd reads. */
  async revoke(serials: readonly string[]): Promise<string> {
    return this.#folder.write(`${this.#name}-crl.der`, await this.revocationList(serials));
  }

  /** In DER. */
  async revocationList(serials: readonly string[]): Promise<Uint8Array> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate: new Date(Date.now() - DAY_MS),
      nextUpdate: new Date(Date.now() + DAY_MS),
      signingAlgorithm: ALGORITHM,
      signingKey: this.#keys.privateKey,
      entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date(Date.now() - DAY_MS) })),
    });
    return new Uint8Array(list.rawData);
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** Positive, and without a zero in front. */
function newSerial(): string {
  return `5${randomBytes(8).toString('hex').slice(1)}`;
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - 3 * DAY_MS), notAfter: new Date(now + days * DAY_MS) };
}
