/** What auth needs of the machine: bcrypt, tokens that nobody can guess, keys. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AuthParts } from '../apply/auth-command.ts';
import { must } from '../base/assert.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import { SimpleTokens } from '../auth/simple-tokens.ts';
import type { AuthConfig, JwtConfig } from '../config/auth-config.ts';
import { BcryptHasher, bcryptNow } from '../platform/bcrypt-hasher.ts';
import type { Clock } from '../ports/clock.ts';
import type { PasswordHasher } from '../server/password-hasher.ts';
import type { TokenProvider } from '../server/token-provider.ts';

/** Logged in at once; each is some 200 bytes. */
const SIMPLE_TOKENS_MAX = 250_000;
const PREFIX_LETTERS = 16;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

export interface AuthPlatform {
  readonly hasher: PasswordHasher;
  readonly hashNow: (password: string) => Uint8Array;
  readonly newTokenPrefix: () => string;
  /** undefined: tokens are simple ones. */
  readonly jwt: TokenProvider | undefined;
}

/** Rejects with an Error of one clear line when a key cannot be used. */
export async function nodeAuthPlatform(config: AuthConfig, clock: Clock): Promise<AuthPlatform> {
  const { token, bcryptCost } = config;
  return {
    jwt: token.kind === 'jwt' ? await openJwt(token, clock) : undefined,
    hasher: new BcryptHasher({ cost: bcryptCost }),
    hashNow: (password) => bcryptNow(password, bcryptCost),
    newTokenPrefix: randomLetters,
  };
}

/** For applying entries. */
export function authParts(store: AuthStore, config: AuthConfig, platform: AuthPlatform): AuthParts {
  const { token } = config;
  return {
    store,
    tokens: new SimpleTokens({ ttlMs: token.ttlMs, tokensMax: SIMPLE_TOKENS_MAX }),
    hashOf: (base64) => Buffer.from(base64, 'base64'),
    hashNow: platform.hashNow,
  };
}

/** Loads what it takes only where it is used. */
async function openJwt(config: JwtConfig, clock: Clock): Promise<TokenProvider> {
  const { JWT_METHODS, JwtTokens } = await import('../platform/jwt-tokens.ts');
  try {
    const method = must(
      JWT_METHODS.find((name) => name === config.method),
      'method of signing that the configuration allows',
    );
    return new JwtTokens({
      method,
      publicKey: read(config.publicKeyFile),
      privateKey: read(config.privateKeyFile),
      ttlMs: config.ttlMs,
      wallMs: () => clock.wallMs(),
    });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new Error(`invalid value for flag --auth-token: ${problem}`, { cause: error });
  }
}

function read(file: string | undefined): Uint8Array | undefined {
  return file === undefined ? undefined : readFileSync(file);
}

/** All letters are equally likely: bytes that would favour some are thrown away. */
function randomLetters(): string {
  let text = '';
  while (text.length < PREFIX_LETTERS) {
    for (const byte of randomBytes(PREFIX_LETTERS)) {
      if (byte < 4 * LETTERS.length && text.length < PREFIX_LETTERS) text += LETTERS[byte % LETTERS.length];
    }
  }
  return text;
}
