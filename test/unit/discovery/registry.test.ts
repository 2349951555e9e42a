/** v3 discovery against a registry in memory. */
import { describe, expect, test } from 'vitest';
import {
  DiscoveryError,
  joinThroughRegistry,
  type RegistryClient,
  type RegistryEntry,
  type RegistryRange,
} from '../../../src/discovery/registry.ts';
import { silentLogger, type Logger } from '../../../src/ports/logger.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const SIZE = '/_etcd/registry/tok/_config/size';
const MEMBERS = '/_etcd/registry/tok/members';

/** Keys in the order they were written, as an etcd with one key per revision. */
class MemoryRegistry {
  #revision = 1;
  readonly #rows = new Map<string, RegistryEntry>();
  readonly #watchers = new Set<(entry: RegistryEntry) => void>();
  failures = 0;
  refusal: Error | undefined;
  /** Watches end with an error once, before they tell anything. */
  brokenWatches = 0;
  open = 0;

  put(key: string, value: string): void {
    this.#revision++;
    const entry = { key, value, createRevision: this.#rows.get(key)?.createRevision ?? this.#revision };
    this.#rows.set(key, entry);
    for (const tell of this.#watchers) tell(entry);
  }

  value(key: string): string | undefined {
    return this.#rows.get(key)?.value;
  }

  client(): RegistryClient {
    this.open++;
    const answer = async <T>(result: () => T): Promise<T> => {
      await Promise.resolve();
      if (this.failures > 0) {
        this.failures--;
        throw new Error('connection refused');
      }
      return result();
    };
    const range = (prefix: string): RegistryRange => ({
      entries: [...this.#rows.values()].filter(({ key }) => key.startsWith(prefix)),
      revision: this.#revision,
    });
    return {
      connect: () => (this.refusal === undefined ? Promise.resolve() : Promise.reject(this.refusal)),
      get: (key) => answer(() => ({ entries: [this.#rows.get(key) ?? []].flat(), revision: this.#revision })),
      list: (prefix) => answer(() => range(prefix)),
      put: (key, value) => answer(() => this.put(key, value)),
      watch: async (prefix, _from, onEntries) => {
        if (this.brokenWatches > 0) {
          this.brokenWatches--;
          throw new Error('stream ended');
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        const tell = (entry: RegistryEntry): void => {
          if (entry.key.startsWith(prefix) && onEntries([entry])) resolve();
        };
        this.#watchers.add(tell);
        await promise;
        this.#watchers.delete(tell);
      },
      close: () => void this.open--,
    };
  }
}

function rig(size: string | null = '3') {
  const registry = new MemoryRegistry();
  const clock = new ManualClock();
  if (size !== null) registry.put(SIZE, size);
  const join = (id: bigint, entry: string, logger: Logger = silentLogger): Promise<string> =>
    joinThroughRegistry({ token: 'tok', id, entry }, { client: registry.client(), clock, logger });
  return { registry, clock, join };
}

describe('founders', () => {
  test('all get the same list, in the order they registered', async () => {
    const { join, registry } = rig();
    const joined = [join(0xabcn, 'n1=http://a:1,n1=http://b:1'), join(2n, 'n2=http://c:1'), join(1n, 'n0=http://d:1')];
    const all = await Promise.all(joined);
    expect(new Set(all)).toEqual(new Set(['n1=http://a:1,n1=http://b:1,n2=http://c:1,n0=http://d:1']));
    expect(registry.value(`${MEMBERS}/abc`)).toBe('n1=http://a:1,n1=http://b:1');
  });

  test('one that registered before may come again', async () => {
    const { join, registry } = rig('2');
    registry.put(`${MEMBERS}/5`, 'n1=http://a:1');
    registry.put(`${MEMBERS}/6`, 'n2=http://b:1');
    expect(await join(5n, 'n1=http://a:1')).toBe('n1=http://a:1,n2=http://b:1');
  });

  test('what is not name=url does not count, nor does the same member twice', async () => {
    const { join, registry } = rig('2');
    registry.put(`${MEMBERS}/9`, 'garbage');
    const joined = join(5n, 'n1=http://a:1');
    await new Promise((resolve) => setImmediate(resolve));
    registry.put(`${MEMBERS}/5`, 'n1=http://a:1');
    registry.put(`${MEMBERS}/6`, '  n2=http://b:1 ');
    expect(await joined).toBe('n1=http://a:1,n2=http://b:1');
  });
});

describe('it is final', () => {
  test.each([
    [null, 'discovery: size key not found'],
    ['x', 'discovery: size key is bad'],
    ['0', 'discovery: size key is bad'],
    ['-3', 'discovery: size key is bad'],
    ['3.5', 'discovery: size key is bad'],
    [String(2n ** 63n), 'discovery: size key is bad'],
  ])('when the size is %s', async (size, message) => {
    const { registry, join } = rig(size);
    await expect(join(1n, 'a=http://a:1')).rejects.toThrow(new DiscoveryError(message));
    expect(registry.value(`${MEMBERS}/1`)).toBeUndefined();
  });

  test('when others were there first, and nothing is registered then', async () => {
    const { join, registry } = rig('1');
    registry.put(`${MEMBERS}/9`, 'n9=http://z:1');
    await expect(join(1n, 'n1=http://a:1')).rejects.toThrow('discovery: cluster is full');
    expect(registry.value(`${MEMBERS}/1`)).toBeUndefined();
  });

  test('when others were faster in the moment of registering', async () => {
    const { registry, clock } = rig('1');
    const client = registry.client();
    const late: RegistryClient = {
      ...client,
      put: (key, value) => {
        registry.put(`${MEMBERS}/9`, 'n9=http://z:1');
        return client.put(key, value);
      },
    };
    const parts = { client: late, clock, logger: silentLogger };
    await expect(joinThroughRegistry({ token: 'tok', id: 1n, entry: 'n1=http://a:1' }, parts)).rejects.toThrow(
      'discovery: cluster is full',
    );
  });

  test('when the registry refuses the credentials', async () => {
    const { join, registry } = rig();
    registry.refusal = new DiscoveryError('etcdserver: authentication failed, invalid user ID or password');
    await expect(join(1n, 'n1=http://a:1')).rejects.toThrow('authentication failed');
  });
});

test('a registry out of reach is asked again, after 2, 4, 8 … at most 256 seconds', async () => {
  const { join, registry, clock } = rig('1');
  registry.failures = 10;
  const waits: unknown[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (_message, fields) => {
      waits.push(fields?.['backoff']);
    },
  };
  const joined = join(1n, 'n1=http://a:1', logger);
  for (let i = 0; i < 10; i++) {
    await expect.poll(() => waits.length).toBe(i + 1);
    clock.advance(256_000);
  }
  expect(await joined).toBe('n1=http://a:1');
  expect(waits).toEqual(['2s', '4s', '8s', '16s', '32s', '64s', '128s', '256s', '256s', '256s']);
});

test('a watch that breaks is begun anew with what the registry holds then', async () => {
  const { join, registry, clock } = rig('2');
  registry.brokenWatches = 1;
  let warned = false;
  const joined = join(1n, 'n1=http://a:1', { ...silentLogger, warn: () => void (warned = true) });
  await expect.poll(() => warned).toBe(true);
  registry.put(`${MEMBERS}/2`, 'n2=http://b:1');
  clock.advance(2000);
  expect(await joined).toBe('n1=http://a:1,n2=http://b:1');
});
