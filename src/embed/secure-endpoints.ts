/** TLS towards clients and towards peers, from the configuration. */
import type { LookupFunction } from 'node:net';
import type { ServerConfig } from '../config/server-config.ts';
import type { RootLogger } from '../observability/logger.ts';
import { ensureSelfSigned } from '../platform/tls/self-signed.ts';
import { TlsEndpoint } from '../platform/tls/tls-endpoint.ts';
import type { Clock } from '../ports/clock.ts';
import type { TlsSettings } from '../ports/tls-settings.ts';

export interface SecureEndpoints {
  readonly client: TlsEndpoint | undefined;
  readonly peer: TlsEndpoint | undefined;
}

export interface SecureEndpointParts {
  readonly clock: Clock;
  readonly logger: RootLogger;
  /** As for net.connect. */
  readonly lookup: LookupFunction;
}

/** Rejects with an Error that names the option and the file when one cannot be used. */
export async function secureEndpoints(config: ServerConfig, parts: SecureEndpointParts): Promise<SecureEndpoints> {
  return {
    client: await endpointOf('client', config.clientTls, parts),
    peer: await endpointOf('peer', config.peerTls, parts),
  };
}

async function endpointOf(
  side: 'client' | 'peer',
  settings: TlsSettings | undefined,
  { clock, logger: root, lookup }: SecureEndpointParts,
): Promise<TlsEndpoint | undefined> {
  if (settings === undefined) return undefined;
  const logger = root.child('platform/tls/tls-endpoint.ts');
  const { own, selfSigned, authorities } = settings;
  if (own !== undefined && selfSigned !== undefined) {
    const { isNew, validTo } = await ensureSelfSigned(own, selfSigned, new Date(clock.wallMs()));
    const fields = { cert: own.certificate.path, 'certificate-validity-bound-not-after': validTo.toISOString() };
    logger.warn(isNew ? 'automatically generate certificates' : 'certificates of an earlier start stay', fields);
  }
  const endpoint = new TlsEndpoint({ settings, side, logger, lookup });
  logger.info(`starting with ${side} TLS`, {
    cert: own?.certificate.path,
    'trusted-ca': authorities?.path,
    'client-cert-auth': settings.requiresCertificate,
    'crl-file': settings.revoked?.path,
  });
  return endpoint;
}
