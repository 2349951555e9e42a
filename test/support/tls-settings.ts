/** Settings for TlsEndpoint as a test needs them. */
import type { NamedFile, TlsSettings } from '../../src/ports/tls-settings.ts';
import type { Issued } from './certificates.ts';

export function named(flag: string, path: string): NamedFile {
  return { flag: `--${flag}`, path };
}

/** Mutual TLS: shows `own`, and wants a certificate by the authority in `caFile`. */
export function mutualTls(own: Issued, caFile: string, changes: Partial<TlsSettings> = {}): TlsSettings {
  const pair = { certificate: named('cert-file', own.certFile), key: named('key-file', own.keyFile) };
  return {
    own: pair,
    dialing: pair,
    selfSigned: undefined,
    authorities: named('trusted-ca-file', caFile),
    revoked: undefined,
    requiresCertificate: true,
    allowedCommonNames: [],
    allowedHostnames: [],
    dialServerName: undefined,
    checksAddress: false,
    versionMin: 'TLSv1.2',
    versionMax: undefined,
    ciphers: undefined,
    ...changes,
  };
}
