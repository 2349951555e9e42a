/** Requests of every kind, the same for each server, so that every metric that a server can show is there. */
import { http } from '../../support/http.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { openWatch, takeEvents } from '../../support/watch-helpers.ts';

export async function runWorkload(client: RawClient, endpoint: string): Promise<void> {
  for (const value of ['one', 'two']) await client.put({ key: 'w/a', value });
  await client.range({ key: 'w/a' });
  await client.range({ key: 'w/a', serializable: true });
  const { stream } = await openWatch(client, { key: 'w/', range_end: 'w0', start_revision: 2 });
  await takeEvents(stream, 2);
  stream.cancel();
  await client.txn({ success: [{ request_put: { key: 'w/b', value: 'three' } }, { request_range: { key: 'w/a' } }] });
  await client.txn({ success: [{ request_range: { key: 'w/a' } }] });
  await client.deleteRange({ key: 'w/', range_end: 'w0' });
  await client.leaseGrant({ ID: 4711, TTL: 600 });
  const keepAlive = client.leaseKeepAlive();
  keepAlive.send({ ID: 4711 });
  await keepAlive.next();
  keepAlive.cancel();
  await client.leaseRevoke(4711);
  await client.compact({ revision: 3, physical: true });
  await client.hash();
  await client.hashKv();
  await client.defragment();
  await client.snapshot().drain();
  await client.unary('etcdserverpb.Auth', 'UserAdd', { name: 'metrics', options: { no_password: true } });
  await client.status();
  await client.memberList();
  for (const path of ['health', 'livez', 'readyz', 'metrics']) await http(`http://${endpoint}/${path}`);
}
