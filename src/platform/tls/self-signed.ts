/** A certificate that nobody vouches for, for --auto-tls and --peer-auto-tls: it encrypts, and proves nothing. */
import { X509Certificate, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isIP } from 'node:net';
import type { KeyPairFiles, SelfSigned } from '../../ports/tls-settings.ts';

const YEAR_MS = 365 * 24 * 3600 * 1000;
const DIR_MODE = 0o700;
const KEY_MODE = 0o600;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface SelfSignedResult {
  /** False: there was one of an earlier start that is still valid. */
  readonly isNew: boolean;
  readonly validTo: Date;
}

/** Puts the certificate and its key where `files` says. */
export async function ensureSelfSigned(files: KeyPairFiles, wanted: SelfSigned, now: Date): Promise<SelfSignedResult> {
  const { certificate, key } = files;
  if (existsSync(certificate.path) && existsSync(key.path)) {
    const { validToDate: validTo } = new X509Certificate(readFileSync(certificate.path));
    if (validTo > now) return { isNew: false, validTo };
  }
  const validTo = new Date(now.getTime() + wanted.validityYears * YEAR_MS);
  const made = await makeSelfSigned(wanted, now, validTo);
  mkdirSync(dirname(certificate.path), { recursive: true, mode: DIR_MODE });
  // The key first: a certificate without its key would be taken for a complete pair.
  writeFileSync(key.path, made.key, { mode: KEY_MODE });
  writeFileSync(certificate.path, made.certificate);
  return { isNew: true, validTo };
}

async function makeSelfSigned(
  { hosts, isForDialing }: SelfSigned,
  notBefore: Date,
  notAfter: Date,
): Promise<{ certificate: string; key: string }> {
  const { x509 } = await import('./x509.ts');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const usages = x509.KeyUsageFlags;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'O=etcd',
    notBefore,
    notAfter,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(usages.digitalSignature | usages.keyEncipherment | usages.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension(isForDialing ? [serverAuth, clientAuth] : [serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        [...new Set(hosts)].map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}
