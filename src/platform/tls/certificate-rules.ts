/** What is asked of the other side's certificate beyond what TLS itself verifies. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TlsSettings } from '../../ports/tls-settings.ts';
import { serialKey } from './revocation-list.ts';

/** DNS names are compared as etcd does: no common name in their place, a star for one whole label only. */
const HOST_OPTIONS = { subject: 'never', wildcards: true, partialWildcards: false } as const;

export function isFor(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host, HOST_OPTIONS) !== undefined;
}

/** Of several, the last. undefined: it has none. */
export function commonNameOf(certificate: X509Certificate): string | undefined {
  const name: unknown = certificate.toLegacyObject().subject?.CN;
  const last: unknown = Array.isArray(name) ? name.at(-1) : name;
  return typeof last === 'string' ? last : undefined;
}

/** Why the certificate is not among those that --*-allowed-cn or --*-allowed-hostname let in, or undefined. */
export function whyNotAllowed(
  { allowedCommonNames, allowedHostnames }: TlsSettings,
  certificate: X509Certificate,
): string | undefined {
  const isAllowed =
    (allowedCommonNames.length === 0 || allowedCommonNames.includes(commonNameOf(certificate) ?? '')) &&
    (allowedHostnames.length === 0 || allowedHostnames.some((host) => isFor(certificate, host)));
  return isAllowed ? undefined : 'client certificate authentication failed';
}

/** Why the certificate, or one that came with it, is revoked, or undefined. */
export function whyRevoked(revoked: ReadonlySet<string>, certificate: X509Certificate): string | undefined {
  for (let at: X509Certificate | undefined = certificate; at !== undefined; at = issuerOf(at)) {
    const serial = serialKey(at.serialNumber);
    if (revoked.has(serial)) return `transport: certificate serial ${serial} revoked`;
  }
  return undefined;
}

/** The next one that came along. A certificate can be its own issuer. */
function issuerOf(certificate: X509Certificate): X509Certificate | undefined {
  const issuer = certificate.issuerCertificate;
  return issuer === undefined || issuer.fingerprint256 === certificate.fingerprint256 ? undefined : issuer;
}
