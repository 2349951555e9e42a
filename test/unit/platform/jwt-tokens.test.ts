import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { JWT_METHODS, JwtTokens, type JwtMethod, type JwtOptions } from '../../../src/platform/jwt-tokens.ts';

const TTL_MS = 60_000;
const INFO = { username: 'u', revision: 7 };

interface Pem {
  readonly privateKey: Buffer;
  readonly publicKey: Buffer;
}

function pem({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): Pem {
  return {
    privateKey: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKey: Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })),
  };
}

const RSA = pem(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const ED = pem(generateKeyPairSync('ed25519'));
const EC: Record<string, Pem> = {
  ES256: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  ES384: pem(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  ES512: pem(generateKeyPairSync('ec', { namedCurve: 'P-521' })),
};
const SECRET = Buffer.from('a secret that is long enough for every HMAC that there is in this table of methods');

function keysFor(method: JwtMethod): Partial<Pem> {
  if (method.startsWith('HS')) return { privateKey: SECRET };
  if (method === 'EdDSA') return ED;
  return EC[method] ?? RSA;
}

class Wall {
  nowMs = 1_700_000_000_000;
}

function provider(method: JwtMethod, keys: Partial<Pem>, wall = new Wall()): JwtTokens {
  const options: JwtOptions = {
    method,
    privateKey: keys.privateKey,
    publicKey: keys.publicKey,
    ttlMs: TTL_MS,
    wallMs: () => wall.nowMs,
  };
  return new JwtTokens(options);
}

describe.each(JWT_METHODS)('%s', (method) => {
  test('a token tells the user and the revision, until it ends', async () => {
    const wall = new Wall();
    const tokens = provider(method, keysFor(method), wall);
    const token = await tokens.issue(INFO.username, INFO.revision);
    expect(await tokens.identify(token)).toEqual(INFO);
    // The second time from memory.
    expect(tokens.identify(token)).toEqual(INFO);
    wall.nowMs += TTL_MS;
    expect(await tokens.identify(token)).toBeUndefined();
    expect(await tokens.identify(token)).toBeUndefined();
  });

  test('has etcd’s claims', async () => {
    const wall = new Wall();
    const [head, claims] = (await provider(method, keysFor(method), wall).issue('u', 7))
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString());
    expect(JSON.parse(head ?? '')).toEqual({ alg: method, typ: 'JWT' });
    expect(JSON.parse(claims ?? '')).toEqual({ username: 'u', revision: 7, exp: (wall.nowMs + TTL_MS) / 1000 });
  });

  test('a token that was changed is none', async () => {
    const tokens = provider(method, keysFor(method));
    const [head, claims, signature] = (await tokens.issue('u', 7)).split('.');
    const forged = Buffer.from(JSON.stringify({ username: 'root', revision: 7, exp: 9e9 })).toString('base64url');
    expect(await tokens.identify(`${head}.${forged}.${signature}`)).toBeUndefined();
    expect(await tokens.identify(`${head}.${claims}.`)).toBeUndefined();
  });
});

describe('a member with a public key only', () => {
  test('knows tokens, and makes none', async () => {
    const verifyOnly = provider('RS256', { publicKey: RSA.publicKey });
    const token = await provider('RS256', RSA).issue('u', 7);
    expect(await verifyOnly.identify(token)).toEqual(INFO);
    await expect(verifyOnly.issue('u', 7)).rejects.toThrow('auth: token signing attempted with verify-only key');
  });
});

describe('what is no token', () => {
  test.each(['', 'x', 'a.b', 'a.b.c', '.'.repeat(5000)])('%j', async (text) => {
    expect(await provider('RS256', RSA).identify(text)).toBeUndefined();
  });

  test('one without a signature, or signed in another way', async () => {
    const tokens = provider('RS256', RSA);
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { ...INFO, exp: 9e9 };
    expect(await tokens.identify(`${part({ alg: 'none' })}.${part(claims)}.`)).toBeUndefined();
    // The public key taken for the secret of an HMAC.
    const confused = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(RSA.publicKey);
    expect(await tokens.identify(await confused)).toBeUndefined();
    expect(await tokens.identify(await provider('PS256', RSA).issue('u', 7))).toBeUndefined();
  });

  test.each([{ revision: 7 }, { username: 'u' }, { username: 1, revision: 7 }, { username: 'u', revision: '7' }])(
    'claims %j',
    async (claims) => {
      const token = await new SignJWT({ ...claims, exp: 9e9 }).setProtectedHeader({ alg: 'HS256' }).sign(SECRET);
      expect(await provider('HS256', { privateKey: SECRET }).identify(token)).toBeUndefined();
    },
  );
});

describe('keys that cannot be', () => {
  test.each<[JwtMethod, Partial<Pem>, string]>([
    ['RS256', {}, 'pub-key and priv-key are missing'],
    ['HS256', {}, 'priv-key is missing'],
    ['HS256', { publicKey: SECRET }, 'priv-key is missing'],
    ['RS256', { publicKey: SECRET }, 'pub-key is no key in PEM format'],
    ['RS256', { privateKey: SECRET }, 'priv-key is no key in PEM format'],
    ['RS256', ED, 'RS256 needs an RSA key'],
    ['ES256', RSA, 'ES256 needs a key on prime256v1'],
    ['ES256', EC['ES384'] ?? {}, 'ES256 needs a key on prime256v1'],
    ['EdDSA', RSA, 'EdDSA needs an Ed25519 key'],
    ['RS256', { privateKey: RSA.privateKey, publicKey: ED.publicKey }, 'RS256 needs an RSA key'],
    [
      'RS256',
      { ...pem(generateKeyPairSync('rsa', { modulusLength: 2048 })), privateKey: RSA.privateKey },
      'pub-key and priv-key do not belong together',
    ],
    ['RS256', pem(generateKeyPairSync('rsa', { modulusLength: 1024 })), 'RSA keys must have 2048 bits or more'],
  ])('%s', (method, keys, problem) => expect(() => provider(method, keys)).toThrow(problem));
});
