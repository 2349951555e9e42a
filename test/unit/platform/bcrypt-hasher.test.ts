import { afterEach, describe, expect, test } from 'vitest';
import { BcryptHasher, bcryptNow, type BcryptOptions } from '../../../src/platform/bcrypt-hasher.ts';

const COST = 4;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const hashers: BcryptHasher[] = [];
function hasher(options: Partial<BcryptOptions> = {}): BcryptHasher {
  const made = new BcryptHasher({ cost: COST, threads: 1, ...options });
  hashers.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(hashers.splice(0).map((made) => made.stop()));
});

describe('bcrypt', () => {
  test('makes hashes as etcd does, each with a salt of its own', async () => {
    const bcrypt = hasher();
    const [one, two] = await Promise.all([bcrypt.hash('secret'), bcrypt.hash('secret')]);
    expect(text(one)).toMatch(/^\$2a\$04\$[./A-Za-z0-9]{53}$/);
    expect(text(one)).not.toBe(text(two));
    expect(text(bcryptNow('secret', COST))).toMatch(/^\$2a\$04\$/);
    for (const hash of [one, two, bcryptNow('secret', COST)]) {
      expect(await bcrypt.matches('u', 'secret', hash)).toBe(true);
      expect(await bcrypt.matches('u', 'Secret', hash)).toBe(false);
    }
  });

  test('knows hashes of Go’s bcrypt, and of others', async () => {
    const bcrypt = hasher();
    const go = '$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga';
    expect(await bcrypt.matches('u', 'allmine', Buffer.from(go))).toBe(true);
    expect(await bcrypt.matches('u', 'allmines', Buffer.from(go))).toBe(false);
    const other = go.replace('$2a$', '$2b$');
    expect(await bcrypt.matches('u', 'allmine', Buffer.from(other))).toBe(true);
  });

  test.each(['', 'x', '$2a$04$', '$2a$99$......................', '$9z$04$'.padEnd(60, '.')])(
    'nothing matches %j',
    async (hash) => expect(await hasher().matches('u', '', Buffer.from(hash))).toBe(false),
  );

  test('takes 72 bytes and no more', async () => {
    await expect(hasher().hash('x'.repeat(73))).rejects.toThrow('bcrypt: password length exceeds 72 bytes');
    await expect(hasher().hash('é'.repeat(37))).rejects.toThrow('bcrypt: password length exceeds 72 bytes');
    await hasher().hash('é'.repeat(36));
  });
});

describe('a storm of logins', () => {
  test('of one password costs one bcrypt, right or wrong', async () => {
    const bcrypt = hasher({ waitingMax: 2 });
    const hash = bcryptNow('secret', COST);
    for (const password of ['secret', 'wrong']) {
      const asked = Array.from({ length: 1000 }, () => bcrypt.matches('u', password, hash));
      expect(new Set(await Promise.all(asked)).size).toBe(1);
      expect(await bcrypt.matches('u', password, hash)).toBe(password === 'secret');
    }
  });

  test('of many passwords is refused beyond a limit, and others still come in', async () => {
    const bcrypt = hasher({ waitingMax: 8, waitingPerUserMax: 3 });
    const hash = bcryptNow('secret', COST);
    const attempts = (name: string, count: number): Promise<boolean>[] =>
      Array.from({ length: count }, (_, i) => bcrypt.matches(name, `guess ${i}`, hash));
    const attacked = attempts('attacked', 50);
    expect(bcrypt.waiting).toBe(3);
    const honest = bcrypt.matches('honest', 'secret', hash);
    const results = await Promise.allSettled(attacked);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { message: 'etcdserver: too many requests' },
    });
    expect(await honest).toBe(true);
    // All names together, too.
    const crowd = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => bcrypt.matches(`u${i}`, 'x', hash)));
    expect(crowd.filter(({ status }) => status === 'fulfilled')).toHaveLength(9);
  });

  test('does not hold the loop', async () => {
    const bcrypt = hasher();
    const slow = bcrypt.matches('u', 'x', bcryptNow('y', 11));
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setTimeout(count, 1);
    };
    count();
    await slow;
    isDone = true;
    expect(turns).toBeGreaterThan(10);
  });

  test('a change of the password counts at once', async () => {
    const bcrypt = hasher();
    const before = bcryptNow('old', COST);
    expect(await bcrypt.matches('u', 'old', before)).toBe(true);
    expect(await bcrypt.matches('u', 'old', bcryptNow('new', COST))).toBe(false);
  });
});

test('nobody’s password is never right', async () => {
  await expect(hasher().pretend('u', '')).resolves.toBeUndefined();
});

test('what waits when it stops is told so', async () => {
  const bcrypt = hasher();
  const waiting = Promise.allSettled([bcrypt.hash('a'), bcrypt.hash('b')]);
  await bcrypt.stop();
  for (const result of await waiting)
    expect(result).toMatchObject({ reason: { message: 'etcdserver: server stopped' } });
  await expect(bcrypt.hash('c')).rejects.toThrow('server stopped');
});
