/** Who a caller is, and tokens that are ahead of this member. */
import { describe, expect, test } from 'vitest';
import { AuthStore } from '../../../src/auth/auth-store.ts';
import { SimpleTokens } from '../../../src/auth/simple-tokens.ts';
import { Authenticator } from '../../../src/server/authenticator.ts';
import { SELF, type Caller } from '../../../src/server/caller.ts';
import { SimpleTokenProvider } from '../../../src/server/token-provider.ts';

const WAIT_MS = 100;

/** A member whose clock and log move by hand. */
class Rig {
  readonly store = new AuthStore({ put: () => {}, delete: () => {}, rows: () => [] });
  readonly tokens = new SimpleTokens({ ttlMs: 1_000_000, tokensMax: 100_000 });
  readonly authenticator: Authenticator;
  nowMs = 0;
  appliedIndex = 10;
  #paused: (() => void)[] = [];

  constructor(certificateNames = true) {
    const provider = new SimpleTokenProvider({
      tokens: this.tokens,
      monotonicMs: () => this.nowMs,
      newPrefix: () => 'prefix',
      appliedIndex: () => this.appliedIndex,
      pause: () => new Promise((resolve) => void this.#paused.push(resolve)),
      waitMs: WAIT_MS,
    });
    this.authenticator = new Authenticator({ store: this.store, tokens: provider, certificateNames });
    this.store.addUser('root', new Uint8Array());
    this.store.grantRole('root', 'root');
    this.store.enable();
  }

  async turn(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const resume of this.#paused.splice(0)) resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function caller(token?: string, commonName?: string): Caller {
  return { token, commonName, cancelled: false };
}

describe('a caller', () => {
  test('is nobody while authentication is off, whatever it shows', () => {
    const { authenticator, store } = new Rig();
    store.disable();
    for (const who of [caller(), caller('x'), caller(undefined, 'root'), SELF]) {
      expect(authenticator.identify(who)).toEqual({ username: '', revision: 0 });
    }
  });

  test('is told by its token, else by its certificate, else not at all', () => {
    const { authenticator, store, tokens } = new Rig();
    const { revision } = store;
    tokens.assign('a.3', 'u', 0);
    expect(authenticator.identify(caller('a.3', 'cn'))).toEqual({ username: 'u', revision });
    expect(authenticator.identify(caller(undefined, 'cn'))).toEqual({ username: 'cn', revision });
    expect(authenticator.identify(caller())).toEqual({ username: '', revision: 0 });
    expect(authenticator.identify(SELF)).toEqual({ username: 'root', revision });
    for (const token of ['', 'b.3', 'a.2', 'a']) {
      expect(() => authenticator.identify(caller(token, 'cn'))).toThrow('etcdserver: invalid auth token');
    }
    const without = new Rig(false);
    expect(without.authenticator.identify(caller(undefined, 'root'))).toEqual({ username: '', revision: 0 });
  });

  test('whose reads were allowed by what has changed since is told to ask again', () => {
    const { authenticator, store } = new Rig();
    const who = { username: 'u', revision: store.revision };
    authenticator.checkFresh(who);
    store.addRole('r');
    expect(() => authenticator.checkFresh(who)).toThrow('etcdserver: revision of auth store is old');
    authenticator.checkFresh({ username: '', revision: 0 });
  });
});

describe('a token whose entry this member has not applied yet', () => {
  test('is good once it has', async () => {
    const rig = new Rig();
    const found = rig.authenticator.identify(caller('a.19'));
    expect(found).toBeInstanceOf(Promise);
    await rig.turn(10);
    rig.tokens.assign('a.19', 'u', rig.nowMs);
    rig.appliedIndex = 20;
    await rig.turn(10);
    expect(await found).toEqual({ username: 'u', revision: rig.store.revision });
  });

  test('is none when that takes too long, or nobody waits any more', async () => {
    const rig = new Rig();
    const late = Promise.resolve(rig.authenticator.identify(caller('a.19'))).catch(String);
    const gone = { token: 'a.19', commonName: undefined, cancelled: false };
    const left = Promise.resolve(rig.authenticator.identify(gone)).catch(String);
    gone.cancelled = true;
    await rig.turn(10);
    expect(await left).toContain('invalid auth token');
    await rig.turn(WAIT_MS);
    expect(await late).toContain('invalid auth token');
  });

  test('tokens from nowhere gather only so much', () => {
    const rig = new Rig();
    const waiting = Array.from({ length: 4096 }, () => rig.authenticator.identify(caller('a.999')));
    for (const found of waiting) void Promise.resolve(found).catch(() => {});
    expect(() => rig.authenticator.identify(caller('a.999'))).toThrow('invalid auth token');
  });
});
