import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, type TestContext } from 'vitest';
import { http } from '../support/http.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient, RpcError } from '../support/raw-client.ts';

const VOLUME_BYTES = 24 * 1024 * 1024;
const VALUE = Buffer.alloc(64 * 1024, 0x61);
const PUTS_MAX = 1000;
const NO_SPACE = 'etcdserver: mvcc: database space exceeded';

let dir = '';
let mounted = false;

function mount(...args: string[]): { ok: boolean; output: string } {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  return { ok: status === 0, output: stderr?.trim() ?? 'no mount command' };
}

beforeEach((context: TestContext) => {
  dir = mkdtempSync(join(tmpdir(), 'disk-full-'));
  const { ok, output } = mount('-t', 'tmpfs', '-o', `size=${VOLUME_BYTES}`, 'tmpfs', dir);
  mounted = ok;
  if (ok) return;
  console.info(`skipped: a small volume cannot be mounted here: ${output}`);
  context.skip(`a small volume cannot be mounted here: ${output}`);
});

afterEach(() => {
  if (mounted) spawnSync('umount', ['-l', dir]);
  rmSync(dir, { recursive: true, force: true });
});

/** Puts until one fails; the keys that were acknowledged. */
async function putUntilFull(client: RawClient): Promise<{ acked: string[]; error: unknown }> {
  const acked: string[] = [];
  for (let i = 0; i < PUTS_MAX; i++) {
    const key = `k${String(i).padStart(4, '0')}`;
    try {
      await client.put({ key, value: VALUE });
    } catch (error) {
      return { acked, error };
    }
    acked.push(key);
  }
  return { acked, error: undefined };
}

async function expectAll(client: RawClient, acked: readonly string[]): Promise<void> {
  const { kvs } = await client.range({ key: 'k', range_end: 'l' });
  const there = new Map(kvs.map((kv) => [Buffer.from(kv.key).toString(), kv.value.length]));
  for (const key of acked) expect(there.get(key)).toBe(VALUE.length);
}

async function disarm(client: RawClient): Promise<void> {
  const { alarms } = await client.alarm({});
  for (const { memberID } of alarms) await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
}

/** Disarms, and puts: again where the server's look at the volume is from before there was room. */
async function putAfterDisarm(client: RawClient, key: string): Promise<void> {
  const attempt = async (): Promise<string> => {
    await disarm(client);
    return client.put({ key, value: VALUE }).then(() => 'done', String);
  };
  await expect.poll(attempt, { timeout: 20_000 }).toBe('done');
}

/** Takes all that is left of the volume. */
function fillVolume(path: string): void {
  const fd = openSync(path, 'w');
  try {
    for (let bytes = 1 << 20; bytes >= 1; bytes = bytes >> 1) {
      try {
        for (;;) if (writeSync(fd, Buffer.alloc(bytes)) < bytes) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}

it(
  'NOSPACE comes before the volume is full; reads and deletes go on, and writes when there is room again',
  { timeout: 180_000 },
  async () => {
    const server = await startQuorate({ dataDir: join(dir, 'data'), readyTimeoutMs: 60_000 });
    const client = new RawClient(server.endpoint);
    const { acked, error } = await putUntilFull(client);
    expect(error).toBeInstanceOf(RpcError);
    expect((error as RpcError).message).toContain(NO_SPACE);
    expect(acked.length).toBeGreaterThan(10);
    await expect.poll(async () => (await client.alarm({})).alarms.length, { timeout: 20_000 }).toBe(1);
    expect(await http(`${server.clientUrl}/health`)).toMatchObject({
      status: 503,
      body: expect.stringContaining('NOSPACE'),
    });
    expect(server.logTail()).toContain('the volume of the data is nearly full');
    await expectAll(client, acked);
    const [first = '', ...rest] = acked;
    const { header } = await client.deleteRange({ key: first });
    await client.compact({ revision: header.revision, physical: true });
    await expect(client.put({ key: 'k', value: 'v' })).rejects.toThrow(NO_SPACE);

    expect(mount('-o', `remount,size=${VOLUME_BYTES * 10}`, dir).ok).toBe(true);
    await expect(client.put({ key: 'k', value: 'v' })).rejects.toThrow(NO_SPACE);
    await putAfterDisarm(client, 'k');
    client.close();
    await server.kill();
    await server.restart();
    const again = new RawClient(server.endpoint);
    await expectAll(again, [...rest, 'k']);
    again.close();
    await server.stop();
  },
);

it(
  'a volume that others have filled: the process lives, reads go on, and what was acknowledged is there later',
  { timeout: 180_000 },
  async () => {
    const server = await startQuorate({ dataDir: join(dir, 'data'), readyTimeoutMs: 60_000 });
    const client = new RawClient(server.endpoint);
    const acked = ['k0', 'k1'];
    for (const key of acked) await client.put({ key, value: VALUE });
    mkdirSync(join(dir, 'other'));
    const filler = join(dir, 'other', 'file');
    fillVolume(filler);
    // The look at the volume may be from just before.
    await expect
      .poll(async () => client.put({ key: 'x', value: VALUE }, { timeoutMs: 2000 }).then(() => '', String), {
        timeout: 20_000,
      })
      .toContain(NO_SPACE);
    await expectAll(client, acked);
    expect(server.running).toBe(true);

    rmSync(filler);
    await expect.poll(async () => (await client.alarm({})).alarms.length, { timeout: 20_000 }).toBe(1);
    await putAfterDisarm(client, 'k2');
    client.close();
    await server.kill();
    await server.restart();
    const again = new RawClient(server.endpoint);
    await expectAll(again, [...acked, 'k2']);
    again.close();
    await server.stop();
  },
);
