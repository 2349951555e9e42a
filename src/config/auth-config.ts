/** The options of auth: how tokens are made, and what a password's hash costs. */
import { invalidValue } from './config-error.ts';
import type { ConfigWarning } from './config-warning.ts';
import { parseGoDurationMs } from './go-values.ts';
import type { OptionValues } from './option-values.ts';

export interface JwtConfig {
  readonly kind: 'jwt';
  /** HS, RS, PS or ES with 256, 384 or 512; or EdDSA. */
  readonly method: string;
  /** Without it, tokens are verified only. */
  readonly privateKeyFile: string | undefined;
  readonly publicKeyFile: string | undefined;
  readonly ttlMs: number;
}

export interface SimpleTokenConfig {
  readonly kind: 'simple';
  /** Since the last use. */
  readonly ttlMs: number;
}

export interface AuthConfig {
  readonly token: SimpleTokenConfig | JwtConfig;
  readonly bcryptCost: number;
  /** Whether the common name of a client's verified certificate is a user's name (client-cert-auth). */
  readonly certificateNames: boolean;
}

const METHOD = /^(?:(?:HS|RS|PS|ES)(?:256|384|512)|EdDSA)$/;
const JWT_OPTIONS = new Set(['sign-method', 'pub-key', 'priv-key', 'ttl']);
const JWT_TTL_MS_DEFAULT = 300_000;
const SIMPLE_TTL_SECONDS_DEFAULT = 300;
const BCRYPT_COST_DEFAULT = 10;
const BCRYPT_COST_MIN = 4;
const BCRYPT_COST_MAX = 31;

/** Throws ConfigError. */
export function readAuthConfig(values: OptionValues): AuthConfig {
  const cost = values.get('bcrypt-cost');
  return {
    token: readToken(values),
    bcryptCost: isCost(cost) ? cost : BCRYPT_COST_DEFAULT,
    certificateNames: values.get('client-cert-auth'),
  };
}

/** As etcd, a cost that cannot be is no reason not to start. */
export function authWarnings(values: OptionValues): ConfigWarning[] {
  const cost = values.get('bcrypt-cost');
  const warnings: ConfigWarning[] = [];
  if (!isCost(cost)) {
    const fields = { 'given-cost': cost, 'min-cost': BCRYPT_COST_MIN, 'max-cost': BCRYPT_COST_MAX };
    warnings.push({ message: 'use default bcrypt cost instead of the invalid given cost', fields });
  }
  const unknown = jwtOptions(values)
    .map(([name]) => name)
    .filter((name) => !JWT_OPTIONS.has(name));
  if (unknown.length > 0) warnings.push({ message: 'unknown token options', fields: { options: unknown } });
  return warnings;
}

function isCost(cost: number): boolean {
  return cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX;
}

function readToken(values: OptionValues): AuthConfig['token'] {
  const text = values.get('auth-token');
  const [kind = ''] = text.split(',');
  if (kind === 'simple' || kind === '') {
    return { kind: 'simple', ttlMs: (values.get('auth-token-ttl') || SIMPLE_TTL_SECONDS_DEFAULT) * 1000 };
  }
  if (kind !== 'jwt') throw invalid(text, 'it must begin with simple or jwt');
  const options = new Map(jwtOptions(values));
  const method = options.get('sign-method') ?? '';
  if (!METHOD.test(method)) {
    throw invalid(text, 'sign-method must be HS, RS, PS or ES with 256, 384 or 512, or EdDSA');
  }
  const ttl = options.get('ttl') ?? '';
  const ttlMs = ttl === '' ? JWT_TTL_MS_DEFAULT : parseGoDurationMs(ttl);
  if (ttlMs === undefined || ttlMs <= 0) throw invalid(text, 'ttl must be a duration such as 10m');
  const fileOf = (name: string): string | undefined => options.get(name) || undefined;
  return { kind: 'jwt', method, publicKeyFile: fileOf('pub-key'), privateKeyFile: fileOf('priv-key'), ttlMs };
}

/** Each option once, in the form name=value. */
function jwtOptions(values: OptionValues): [string, string][] {
  const text = values.get('auth-token');
  const [, ...parts] = text.split(',');
  const seen = new Set<string>();
  return parts.map((part) => {
    const [name = '', value, ...rest] = part.split('=');
    if (value === undefined || rest.length > 0) throw invalid(text, `${JSON.stringify(part)} is not name=value`);
    if (seen.has(name)) throw invalid(text, `${name} is given twice`);
    seen.add(name);
    return [name, value];
  });
}

function invalid(text: string, problem: string): Error {
  return invalidValue('flag --auth-token', text, problem);
}
