/** What holds for requests through the gateway beside the text of their answers. */
import { request as httpRequest, type ClientRequest } from 'node:http';
import { expect, it } from 'vitest';
import { http, type HttpAnswer } from '../../support/http.ts';
import { describeTargets, type TargetGetter } from '../../support/target.ts';
import { OPEN_END, under } from '../../support/values.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function post(
  target: TargetGetter,
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  return http(target().server.clientUrl + path, { method: 'POST', body, headers });
}

/** A request whose answer nobody takes. */
function begin(target: TargetGetter, path: string, body: string): ClientRequest {
  const call = httpRequest(target().server.clientUrl + path, { method: 'POST', agent: false });
  call.on('error', () => {});
  call.end(body);
  return call;
}

describeTargets('the JSON gateway', (target) => {
  it('answers a long list whole, while others are served', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const value = 'x'.repeat(10_000);
    for (let i = 0; i < 300; i++) await client.put({ key: `${prefix}${String(i).padStart(3, '0')}`, value });
    const body = JSON.stringify({ key: base64(prefix), range_end: base64(prefix.replace(/\/$/, '0')) });
    const [long, short] = await Promise.all([
      post(target, '/v3/kv/range', body),
      post(target, '/v3/kv/range', `{"key":"${base64(prefix)}"}`),
    ]);
    expect(short.status).toBe(200);
    const { kvs, count } = JSON.parse(long.body) as { kvs: { key: string; value: string }[]; count: string };
    expect(count).toBe('300');
    expect(kvs.map(({ key }) => Buffer.from(key, 'base64').toString())).toEqual(
      Array.from({ length: 300 }, (_, i) => `${prefix}${String(i).padStart(3, '0')}`),
    );
    expect(kvs.every((kv) => kv.value === base64(value))).toBe(true);
  });

  it('takes a caller that goes away out of the line for a lock, and one whose time is up', async () => {
    const { client } = target();
    const name = target().prefix();
    const lock = `{"name":"${base64(name)}"}`;
    expect((await post(target, '/v3/lock/lock', lock)).status).toBe(200);
    const waiting = begin(target, '/v3/lock/lock', lock);
    await expect.poll(async () => (await client.range(under(name))).count, { timeout: 5000 }).toBe(2n);
    waiting.destroy();
    await expect.poll(async () => (await client.range(under(name))).count, { timeout: 5000 }).toBe(1n);
    const late = await post(target, '/v3/lock/lock', lock, { 'Grpc-Timeout': '300m' });
    expect(late).toMatchObject({ status: 504, body: expect.stringContaining('context deadline exceeded') });
    await expect.poll(async () => (await client.range(under(name))).count, { timeout: 5000 }).toBe(1n);
  });

  it('watches for a client that says no more, and forgets one that is gone', async () => {
    const watchers = async (): Promise<number> => {
      const { body } = await http(`${target().server.clientUrl}/metrics`);
      return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(body)?.[1]);
    };
    const before = await watchers();
    const key = target().prefix();
    const seen: string[] = [];
    const call = begin(target, '/v3/watch', `{"create_request":{"key":"${base64(key)}"}}`);
    call.on('response', (response) => response.on('data', (chunk: Buffer) => seen.push(chunk.toString())));
    await expect.poll(() => seen.join(''), { timeout: 5000 }).toContain('"created":true');
    expect(await watchers()).toBe(before + 1);
    for (const value of ['1', '2']) {
      await target().client.put({ key, value });
      await expect.poll(() => seen.join(''), { timeout: 5000 }).toContain(`"value":"${base64(value)}"`);
    }
    call.destroy();
    await expect.poll(watchers, { timeout: 5000 }).toBe(before);
  });

  it('refuses what is too large, and goes on serving', async () => {
    const put = (bytes: number): Promise<HttpAnswer> =>
      post(target, '/v3/kv/put', `{"key":"AA==","value":"${'A'.repeat(bytes)}"}`);
    expect(await put(2_200_000)).toMatchObject({ status: 400, body: expect.stringContaining('request is too large') });
    expect(await put(2_900_000)).toMatchObject({ status: 429, body: expect.stringContaining('larger than max') });
    const huge = await put(12_000_000).then(
      ({ status }) => status,
      () => 'cut off',
    );
    expect([429, 'cut off']).toContain(huge);
    expect((await put(4)).status).toBe(200);
  });

  it('counts as calls of gRPC do', async () => {
    const handled = async (): Promise<number> => {
      const { body } = await http(`${target().server.clientUrl}/metrics`);
      const line = /^grpc_server_handled_total\{grpc_code="OK",grpc_method="Hash",.*\} (\d+)$/m;
      return Number(line.exec(body)?.[1]);
    };
    const before = await handled();
    await post(target, '/v3/maintenance/hash', '{}');
    expect(await handled()).toBe(before + 1);
  });

  it('leaves a server unharmed by what is no request', async () => {
    const bodies = ['{', '"', '\\', '{"key":', '[[[[', '\u0000', 'nul', '{"a":1}}', '-', '{"create_request":7}'];
    for (const path of ['/v3/kv/range', '/v3/kv/txn', '/v3/lease/grant', '/v3/maintenance/snapshot']) {
      for (const body of bodies) expect((await post(target, path, body)).status, path + body).toBeLessThan(500);
    }
    for (const body of bodies) begin(target, '/v3/watch', body).destroy();
    expect(
      (await target().client.range({ key: '\0', range_end: OPEN_END, count_only: true })).header.revision,
    ).toBeGreaterThan(0n);
  });
});

describeTargets(
  'without the gateway',
  (target) => {
    it('its paths are as unknown as others', async () => {
      for (const path of ['/v3/kv/range', '/v3/', '/v3']) {
        expect(await post(target, path, '{"key":"AA=="}')).toMatchObject({ status: 404, body: '404 page not found\n' });
      }
      expect((await http(`${target().server.clientUrl}/health`)).status).toBe(200);
    });
  },
  { flags: ['--enable-grpc-gateway=false'] },
);
