/** JSON web tokens as etcd makes and reads them: claims `username`, `revision` and `exp`. Nothing of them goes through the log. */
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { AuthInfo } from '../auth/auth-info.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';
import type { Identity, TokenProvider } from '../server/token-provider.ts';

/** The algorithms by their names in the standard, which are etcd's too. */
export const JWT_METHODS = [
  ...(['HS256', 'HS384', 'HS512'] as const),
  ...(['RS256', 'RS384', 'RS512'] as const),
  ...(['PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512'] as const),
  'EdDSA',
] as const;
export type JwtMethod = (typeof JWT_METHODS)[number];

export interface JwtOptions {
  readonly method: JwtMethod;
  /** PEM, or for HS the secret itself; without a private key tokens are verified only. */
  readonly publicKey: Uint8Array | undefined;
  readonly privateKey: Uint8Array | undefined;
  readonly ttlMs: number;
  readonly wallMs: () => number;
}

/** Tokens found valid lately, and how long one may be to be remembered. */
const REMEMBERED_MAX = 4096;
const REMEMBERED_CHARS_MAX = 2048;
const RSA_BITS_MIN = 2048;
const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' };

interface Valid {
  readonly info: AuthInfo;
  readonly untilMs: number;
}

export class JwtTokens implements TokenProvider {
  readonly #options: JwtOptions;
  readonly #signKey: KeyObject | undefined;
  readonly #verifyKey: KeyObject;
  /** Oldest first. */
  readonly #remembered = new Map<string, Valid>();

  /** Throws an Error that says what is wrong with the keys. */
  constructor(options: JwtOptions) {
    const { sign, verify } = keysOf(options);
    this.#options = options;
    this.#signKey = sign;
    this.#verifyKey = verify;
  }

  newPrefix(): string {
    return '';
  }

  /** Rejects where there is only a key to verify with. */
  async issue(username: string, authRevision: number): Promise<string> {
    if (this.#signKey === undefined) {
      throw new EtcdError(Code.Unknown, 'auth: token signing attempted with verify-only key');
    }
    const exp = Math.floor((this.#options.wallMs() + this.#options.ttlMs) / 1000);
    const claims = new SignJWT({ username, revision: authRevision, exp });
    return claims.setProtectedHeader({ alg: this.#options.method, typ: 'JWT' }).sign(this.#signKey);
  }

  /** The revision is the token's own: what was changed since makes it too old. */
  identify(token: string): Identity | Promise<Identity> {
    const known = this.#remembered.get(token);
    if (known === undefined) return this.#verify(token);
    if (known.untilMs > this.#options.wallMs()) return known.info;
    this.#remembered.delete(token);
    return undefined;
  }

  async #verify(token: string): Promise<Identity> {
    const nowMs = this.#options.wallMs();
    const { payload } = await jwtVerify(token, this.#verifyKey, {
      algorithms: [this.#options.method],
      currentDate: new Date(nowMs),
    }).catch(() => ({ payload: undefined }));
    if (payload === undefined) return undefined;
    const { username, revision, exp } = payload;
    if (typeof username !== 'string' || typeof revision !== 'number' || !(revision >= 0)) return undefined;
    const info = { username, revision: Math.floor(revision) };
    if (exp !== undefined && token.length <= REMEMBERED_CHARS_MAX) this.#remember(token, { info, untilMs: exp * 1000 });
    return info;
  }

  #remember(token: string, valid: Valid): void {
    this.#remembered.set(token, valid);
    if (this.#remembered.size <= REMEMBERED_MAX) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }
}

function keysOf({ method, publicKey, privateKey }: JwtOptions): { sign: KeyObject | undefined; verify: KeyObject } {
  if (method.startsWith('HS')) {
    if (privateKey === undefined || privateKey.length === 0) throw new Error('priv-key is missing');
    const secret = createSecretKey(privateKey);
    return { sign: secret, verify: secret };
  }
  const sign =
    privateKey === undefined ? undefined : parse('priv-key', () => createPrivateKey(Buffer.from(privateKey)));
  const given = publicKey === undefined ? undefined : parse('pub-key', () => createPublicKey(Buffer.from(publicKey)));
  const verify = given ?? (sign === undefined ? undefined : createPublicKey(sign));
  if (verify === undefined) throw new Error('pub-key and priv-key are missing');
  checkKind(method, verify);
  if (sign !== undefined && !createPublicKey(sign).equals(verify)) {
    throw new Error('pub-key and priv-key do not belong together');
  }
  return { sign, verify };
}

function parse(name: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (error) {
    throw new Error(`${name} is no key in PEM format`, { cause: error });
  }
}

function checkKind(method: JwtMethod, key: KeyObject): void {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType;
  if (method === 'EdDSA') {
    if (type !== 'ed25519') throw new Error('EdDSA needs an Ed25519 key');
  } else if (method.startsWith('ES')) {
    if (type !== 'ec' || namedCurve !== CURVES[method]) throw new Error(`${method} needs a key on ${CURVES[method]}`);
  } else if (type !== 'rsa') {
    throw new Error(`${method} needs an RSA key`);
  } else if ((modulusLength ?? 0) < RSA_BITS_MIN) {
    throw new Error(`RSA keys must have ${RSA_BITS_MIN} bits or more`);
  }
}
