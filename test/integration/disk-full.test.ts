import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient, RpcError } from '../support/raw-client.ts';

const VOLUME_BYTES = 24 * 1024 * 1024;
const VALUE = Buffer.alloc(64 * 1024, 0x61);
const PUTS_MAX = 1000;

let dir = '';
let mounted = false;

function mount(...args: string[]): { ok: boolean; output: string } {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  return { ok: status === 0, output: stderr?.trim() ?? 'no mount command' };
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'disk-full-'));
});

afterAll(() => {
  if (mounted) spawnSync('umount', [dir]);
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

it('a full volume: the server says so and stops accepting, and nothing acknowledged is lost', async (context) => {
  const { ok, output } = mount('-t', 'tmpfs', '-o', `size=${VOLUME_BYTES}`, 'tmpfs', dir);
  mounted = ok;
  if (!ok) {
    console.info(`skipped: a small volume cannot be mounted here: ${output}`);
    context.skip(`a small volume cannot be mounted here: ${output}`);
  }
  const server = await startQuorate({ dataDir: join(dir, 'data') });
  let client = new RawClient(server.endpoint);
  const { acked, error } = await putUntilFull(client);
  client.close();
  expect(error).toBeInstanceOf(RpcError);
  expect(acked.length).toBeGreaterThan(10);
  for (let i = 0; i < 100 && server.running; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.running).toBe(false);
  expect(server.logTail()).toMatch(/"level":"fatal".*(failed to write the (log|database)).*(ENOSPC|[Nn]o space left)/);

  expect(mount('-o', `remount,size=${VOLUME_BYTES * 10}`, dir).ok).toBe(true);
  await server.restart();
  client = new RawClient(server.endpoint);
  const { kvs } = await client.range({ key: 'k', range_end: 'l' });
  const there = new Map(kvs.map((kv) => [Buffer.from(kv.key).toString(), kv.value.length]));
  for (const key of acked) expect(there.get(key)).toBe(VALUE.length);
  // One more may be there: written to the log, and never acknowledged.
  expect(there.size - acked.length).toBeLessThanOrEqual(1);
  client.close();
  await server.stop();
});
