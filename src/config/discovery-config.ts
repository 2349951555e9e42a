/** --discovery-*: other ways than --initial-cluster to tell who founds the cluster (etcd-behaviour §6.2). */
import { ConfigError } from './config-error.ts';
import type { OptionValues } from './option-values.ts';

/** By the SRV records of a domain. */
export interface SrvDiscovery {
  readonly kind: 'srv';
  readonly domain: string;
  /** Empty: none. */
  readonly serviceName: string;
}

/** By registering with another etcd. */
export interface RegistryDiscovery {
  readonly kind: 'registry';
  /** At least one. */
  readonly endpoints: readonly string[];
  readonly token: string;
  readonly dialTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly security: {
    readonly insecureTransport: boolean;
    readonly skipVerify: boolean;
    /** Paths; empty: none. */
    readonly cert: string;
    readonly key: string;
    readonly authorities: string;
  };
  /** Both empty: no authentication. */
  readonly user: string;
  readonly password: string;
}

export type DiscoveryConfig = SrvDiscovery | RegistryDiscovery;

/** undefined: --initial-cluster tells. Throws ConfigError. */
export function readDiscoveryConfig(values: OptionValues): DiscoveryConfig | undefined {
  const endpoints = values.get('discovery-endpoints');
  const token = values.get('discovery-token');
  if ((token !== '') !== endpoints.length > 0) {
    throw new ConfigError('both --discovery-token and --discovery-endpoints must be set');
  }
  if (endpoints.some((endpoint) => endpoint.trim() === '')) {
    throw new ConfigError('--discovery-endpoints must not contain empty endpoints');
  }
  if (endpoints.length > 0) return registry(values, endpoints, token);
  const domain = values.get('discovery-srv');
  return domain === '' ? undefined : { kind: 'srv', domain, serviceName: values.get('discovery-srv-name') };
}

function registry(values: OptionValues, endpoints: readonly string[], token: string): RegistryDiscovery {
  return {
    kind: 'registry',
    endpoints: [...new Set(endpoints)],
    token,
    dialTimeoutMs: values.get('discovery-dial-timeout'),
    requestTimeoutMs: values.get('discovery-request-timeout'),
    keepaliveTimeMs: values.get('discovery-keepalive-time'),
    keepaliveTimeoutMs: values.get('discovery-keepalive-timeout'),
    security: {
      insecureTransport: values.get('discovery-insecure-transport'),
      skipVerify: values.get('discovery-insecure-skip-tls-verify'),
      cert: values.get('discovery-cert'),
      key: values.get('discovery-key'),
      authorities: values.get('discovery-cacert'),
    },
    user: values.get('discovery-user'),
    password: values.get('discovery-password'),
  };
}
