/** /debug/vars beside a real etcd's, and Node's profiles below /debug/pprof/. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http } from '../support/http.ts';
import { quorateExists, startQuorate } from '../support/quorate-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { describeTargets } from '../support/target.ts';

describeTargets('/debug', (target) => {
  const get = (path: string, method = 'GET') => http(`http://${target().server.endpoint}${path}`, { method });

  it('/debug/vars tells of the command line, memory, descriptors and Raft', async () => {
    const { status, headers, body } = await get('/debug/vars');
    expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body).toMatch(/^\{\n"cmdline": \[/);
    const vars = JSON.parse(body) as Record<string, unknown>;
    expect(Object.keys(vars)).toEqual(['cmdline', 'file_descriptor_limit', 'memstats', 'raft.status']);
    expect(vars['cmdline']).toContain('--name=n1');
    expect(vars['file_descriptor_limit']).toBeGreaterThan(100);
    const memory = vars['memstats'] as Record<string, number>;
    for (const name of ['Alloc', 'Sys', 'HeapAlloc', 'HeapSys', 'HeapIdle', 'HeapInuse']) {
      expect([name, (memory[name] ?? 0) > 100_000]).toEqual([name, true]);
    }
    const id = target().memberId.toString(16);
    const term = expect.any(Number) as unknown;
    expect(vars['raft.status']).toEqual({
      id,
      term,
      vote: id,
      commit: term,
      lead: id,
      raftState: 'StateLeader',
      applied: term,
      progress: { [id]: { match: term, next: term, state: 'StateReplicate' } },
      leadtransferee: '0',
    });
  });

  it('is read only, and has no profiles unless they are asked for', async () => {
    expect((await get('/debug/vars', 'POST')).status).toBe(405);
    const paths = ['/debug/pprof/', '/debug/pprof/profile?seconds=1', '/debug/pprof/heap', '/debug/requests'];
    for (const path of [...paths, '/config/local/log']) expect([path, (await get(path)).status]).toEqual([path, 404]);
  });
});

interface CpuProfile {
  readonly nodes: { readonly callFrame: { readonly functionName: string } }[];
  readonly samples: number[];
  readonly startTime: number;
  readonly endTime: number;
}

describe.skipIf(!quorateExists())('profiles', () => {
  let server: ServerProcess;
  const get = (path: string) => http(`http://${server.endpoint}/debug/pprof${path}`);

  beforeAll(async () => {
    server = await startQuorate({ flags: ['--enable-pprof'] });
  });
  afterAll(() => server.stop());

  it('the index names what there is, and the path without a slash leads to it', async () => {
    const { status, body } = await get('/');
    expect(status).toBe(200);
    for (const name of ['profile', 'heap', 'allocs', 'cmdline']) expect(body).toContain(`\n${name} `);
    expect((await get('')).headers['location']).toBe('/debug/pprof/');
    expect((await get('/cmdline')).body.split('\0')).toContain('--enable-pprof');
    expect((await get('/unknown')).status).toBe(404);
  });

  it('paths of Go that mean nothing here say what to use', async () => {
    for (const name of ['goroutine', 'threadcreate', 'block', 'mutex', 'symbol', 'trace']) {
      const { status, headers, body } = await get(`/${name}?debug=1`);
      expect([name, status, headers['content-type']]).toEqual([name, 501, 'text/plain; charset=utf-8']);
      expect(body.length).toBeGreaterThan(20);
    }
  });

  it('a CPU profile of the seconds asked for', async () => {
    const { status, headers, body } = await get('/profile?seconds=0.3');
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(headers['content-disposition']).toBe('attachment; filename="profile.cpuprofile"');
    const { nodes, samples, startTime, endTime } = JSON.parse(body) as CpuProfile;
    expect(nodes.map(({ callFrame }) => callFrame.functionName)).toContain('(root)');
    expect(samples.length).toBeGreaterThan(0);
    expect(endTime - startTime).toBeGreaterThan(250_000);
  });

  it('profiles of the heap', async () => {
    for (const path of ['/heap?seconds=0.1', '/allocs?seconds=0.1']) {
      const { head } = JSON.parse((await get(path)).body) as { head: { callFrame: { functionName: string } } };
      expect(head.callFrame.functionName).toBe('(root)');
    }
    const snapshot = await get('/heap?snapshot=true');
    expect(snapshot.headers['content-disposition']).toBe('attachment; filename="heap.heapsnapshot"');
    const { nodes } = JSON.parse(snapshot.body) as { nodes: number[] };
    expect(nodes.length).toBeGreaterThan(10_000);
  });

  it('one at a time, and not for long; one that is given up makes room', async () => {
    const client = new AbortController();
    const long = fetch(`http://${server.endpoint}/debug/pprof/profile`, { signal: client.signal });
    await expect.poll(async () => (await get('/heap?seconds=0.01')).status, { timeout: 10_000 }).toBe(503);
    client.abort();
    await expect(long).rejects.toThrow();
    await expect.poll(async () => (await get('/heap?seconds=0.01')).status, { timeout: 10_000 }).toBe(200);
    for (const seconds of ['0', '-1', '121', 'x']) {
      const { status, body } = await get(`/profile?seconds=${seconds}`);
      expect([status, body]).toEqual([400, 'seconds must be above 0 and at most 120\n']);
    }
  });
});
