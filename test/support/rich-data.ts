/** Data of every kind that a server keeps, and all of it read back: for what moves data from one server to another. */
import { AuthClient } from './auth-client.ts';
import type { RawClient } from './raw-client.ts';
import { until } from './until.ts';

const PASSWORDS = { root: 'secret', reader: 'known' } as const;

export interface RichDataOptions {
  /** Users, roles and enabled authentication. */
  readonly auth?: boolean;
  /** An alarm, under which nothing more can be put. */
  readonly alarm?: boolean;
}

/** History, a compaction, deletions, leases, values over many pages, keys of any bytes. */
export async function writeRichData(
  client: RawClient,
  { auth = true, alarm = true }: RichDataOptions = {},
): Promise<void> {
  const { ID: lease } = await client.leaseGrant({ TTL: 5000 });
  await client.leaseGrant({ TTL: 7000, ID: 7n });
  for (let i = 0; i < 20; i++) {
    await client.put({ key: `k${i}`, value: `v${i}`, ...(i % 2 === 0 ? { lease } : {}) });
    await client.put({ key: `k${i % 7}`, value: Buffer.alloc(i * 1000, 0x78) });
  }
  await client.deleteRange({ key: 'k1', range_end: 'k2' });
  await client.compact({ revision: 20n, physical: true });
  await client.txn({
    success: [{ request_put: { key: 'together 1', value: 'x' } }, { request_put: { key: 'together 2', lease: 7n } }],
  });
  await client.put({ key: Buffer.from([0, 0xff, 0]), value: 'bytes' });
  await client.put({ key: Buffer.alloc(3000, 0x6b), value: 'of a long key' });
  const value = Buffer.alloc(300, 0x79);
  const many = Array.from({ length: 100 }, (_, i) => ({ request_put: { key: `many/${i}`, value } }));
  await client.txn({ success: many });
  await client.deleteRange({ key: 'many/2', range_end: 'many/3' });
  if (auth) await enableAuth(client);
  const { header } = await client.status();
  if (alarm) await client.alarm({ action: 'ACTIVATE', memberID: header.member_id, alarm: 'NOSPACE' });
}

async function enableAuth(client: RawClient): Promise<void> {
  const nobody = new AuthClient(client);
  await nobody.addUser('root', PASSWORDS.root);
  await nobody.call('RoleAdd', { name: 'root' });
  await nobody.call('UserGrantRole', { user: 'root', role: 'root' });
  await nobody.addUser('reader', PASSWORDS.reader);
  await nobody.addUser('certified', '', { options: { no_password: true } });
  await nobody.give(
    'reader',
    'reads',
    { permType: 'READ', key: 'k', range_end: 'l' },
    { permType: 'READWRITE', key: 'x' },
  );
  await nobody.call('AuthEnable');
  await loginAsRoot(client);
}

/** All later calls of this client are root's. */
export async function loginAsRoot(client: RawClient): Promise<void> {
  const { options } = await new AuthClient(client).login('root', PASSWORDS.root);
  client.metadata = options.metadata ?? {};
}

export type Everything = Awaited<ReturnType<typeof readEverything>>;

/** What a client can see, but for what may differ between servers: the ids of members, times, sizes. */
export async function readEverything(client: RawClient, { auth = true }: RichDataOptions = {}) {
  // A server that was just started may not have a leader yet.
  await until('reads', async () => (auth ? loginAsRoot(client) : client.status()).then(() => true));
  const { kvs, header } = await client.range({ key: '\0', range_end: '\0' });
  const { hash, compact_revision } = await client.hashKv(header.revision);
  const leases = (await client.leaseLeases()).leases.map(({ ID }) => ID).sort((a, b) => (a < b ? -1 : 1));
  const left = await Promise.all(leases.map((ID) => client.leaseTimeToLive({ ID, keys: true })));
  const { alarms } = await client.alarm({ action: 'GET' });
  return {
    revision: header.revision,
    kvs: plain(kvs),
    hash: { hash, compact_revision },
    history: plain(await readHistory(client, compact_revision > 0n ? compact_revision : 1n, header.revision)),
    leases: left.map(({ ID, grantedTTL, keys }) => ({ ID, grantedTTL, keys: plain(keys) })),
    alarms: alarms.map(({ alarm }) => alarm),
    auth: auth ? await readAuth(client) : undefined,
  };
}

/** Bytes as text and all else as it is, so that answers of two servers compare. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

/** Every event from one revision to another. */
async function readHistory(client: RawClient, from: bigint, through: bigint): Promise<unknown[]> {
  const found: unknown[] = [];
  if (from === through) return found;
  const stream = client.watch();
  stream.send({ create_request: { key: '\0', range_end: '\0', start_revision: from, prev_kv: true } });
  for (let last = 0n; last < through;) {
    const { events } = await stream.next();
    for (const event of events) {
      found.push(event);
      last = event.kv?.mod_revision ?? last;
    }
  }
  stream.cancel();
  return found;
}

async function readAuth(client: RawClient): Promise<unknown> {
  const root = new AuthClient(client, client.metadata['token']);
  const strip = (answer: object): object => ({ ...answer, header: undefined });
  const users = await Promise.all(
    ['root', 'reader', 'certified'].map((name) => root.call<object>('UserGet', { name }).then(strip)),
  );
  const role = await root.call<object>('RoleGet', { role: 'reads' }).then(strip);
  const { authRevision } = await root.call<{ authRevision: bigint }>('AuthStatus');
  const reader = await new AuthClient(client).login('reader', PASSWORDS.reader);
  const { count } = await client.range({ key: 'k', range_end: 'l', count_only: true }, reader.options);
  const refused = await client.range({ key: 'many/1' }, reader.options).then(
    () => 'allowed',
    (error: unknown) => String(error),
  );
  return { users: plain(users), role: plain(role), authRevision, count, refused };
}
