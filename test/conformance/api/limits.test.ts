import { connect } from 'node:http2';
import { expect, it } from 'vitest';
import { expectError, expectStatus, Status } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { text } from '../../support/values.ts';
import { openWatch } from '../../support/watch-helpers.ts';

describeTargets('limits', (target) => {
  it('accepts a request just below max-request-bytes, and refuses one above', async () => {
    const { client } = target();
    const key = target().prefix();
    const fits = 'x'.repeat(1_572_864 - 200);
    await client.put({ key, value: fits });
    expect(text((await client.range({ key })).kvs[0]?.value ?? new Uint8Array())).toHaveLength(fits.length);
    const tooLarge = 'y'.repeat(1_572_864);
    await expectError(client.put({ key, value: tooLarge }), 'RequestTooLarge');
    await expectError(client.txn({ success: [{ request_put: { key, value: tooLarge } }] }), 'RequestTooLarge');
    expect((await client.range({ key })).kvs[0]?.version).toBe(1n);
  });

  it('refuses a message beyond the receive limit before reading it', async () => {
    const value = 'z'.repeat(2_097_152);
    await expectStatus(
      target().client.put({ key: 'k', value }),
      Status.ResourceExhausted,
      /^grpc: received message larger than max \(\d+ vs\. 2097152\)$/,
    );
  });

  it('sends answers of any size', async () => {
    const { client } = target();
    const prefix = target().prefix();
    for (let i = 0; i < 10; i++) await client.put({ key: `${prefix}${i}`, value: 'x'.repeat(1_000_000) });
    const range = await client.range({ key: prefix, range_end: `${prefix.slice(0, -1)}0` });
    expect(range.kvs.reduce((sum, kv) => sum + kv.value.length, 0)).toBe(10_000_000);
  });

  it('refuses malformed messages', async () => {
    const { client } = target();
    // A length beyond the end, a varint where bytes belong, half a tag, a group.
    for (const bytes of [[0x0a, 0x7f, 0x01], [0x08, 0x01], [0xff], [0x0b]]) {
      for (const method of ['KV/Put', 'KV/Range', 'KV/DeleteRange', 'KV/Txn', 'KV/Compact', 'Lease/LeaseGrant']) {
        if (bytes[0] !== 0x0a && method.startsWith('Lease')) continue;
        const malformed = client.unaryBytes(`/etcdserverpb.${method}`, Uint8Array.from(bytes));
        if (method === 'KV/Compact' && bytes[0] === 0x08) await malformed.catch(() => {});
        else await expectStatus(malformed, Status.Internal, /^grpc: error unmarshalling request: /);
      }
    }
    await client.put({ key: target().prefix() });
  });

  it('ignores fields it does not know', async () => {
    const { client } = target();
    const key = target().prefix();
    // key, then field 1000 as a varint.
    const request = Buffer.concat([Buffer.from([0x0a, key.length]), Buffer.from(key), Buffer.from([0xc0, 0x3e, 0x05])]);
    await client.unaryBytes('/etcdserverpb.KV/Put', request);
    expect((await client.range({ key })).count).toBe(1n);
  });

  it('accepts the metadata that clients send', async () => {
    const { client } = target();
    const key = target().prefix();
    const metadata = { hasleader: 'true', 'client-api-version': '3.6', 'user-agent': 'test', unknown: 'x' };
    await client.put({ key }, { metadata });
    expect((await client.range({ key }, { metadata })).count).toBe(1n);
    const stream = client.watch({ metadata });
    stream.send({ create_request: { key } });
    expect((await stream.next()).created).toBe(true);
    stream.cancel();
  });

  it('accepts a token while authentication is off', async () => {
    const { client } = target();
    const { header } = await client.put({ key: target().prefix() }, { metadata: { token: 'made.up' } });
    expect(header.revision).toBeGreaterThan(1n);
  });

  it('serves many concurrent calls on one connection', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const puts = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.put({ key: `${prefix}${i}` })));
    const revisions = new Set(puts.map((put) => put.header.revision));
    expect(revisions.size).toBe(1000);
  });

  it('serves hundreds of watch streams on one connection', async () => {
    const { client } = target();
    const key = target().prefix();
    const watches = await Promise.all(Array.from({ length: 300 }, () => openWatch(client, { key })));
    await client.put({ key, value: 'v' });
    for (const { stream } of watches) {
      expect((await stream.next()).events).toHaveLength(1);
      stream.cancel();
    }
  });

  it('ends a call at its deadline', async () => {
    const { client } = target();
    const stream = client.watch({ timeoutMs: 1000 });
    stream.send({ create_request: { key: 'k' } });
    await stream.next();
    expect(await stream.end()).toMatchObject({ code: Status.DeadlineExceeded });
  });
});

describeTargets(
  'limits set by flags',
  (target) => {
    it('max-txn-ops', async () => {
      const { client } = target();
      const puts = (count: number): object[] =>
        Array.from({ length: count }, (_, i) => ({ request_put: { key: `k${i}` } }));
      await client.txn({ success: puts(3) });
      await expectError(client.txn({ success: puts(4) }), 'TooManyOps');
    });

    it('max-request-bytes', async () => {
      const { client } = target();
      await client.put({ key: 'k', value: 'x'.repeat(9_000) });
      await expectError(client.put({ key: 'k', value: 'x'.repeat(10_001) }), 'RequestTooLarge');
    });
  },
  { flags: ['--max-txn-ops=3', '--max-request-bytes=10000'] },
);

describeTargets('keep-alive enforcement', (target) => {
  /** Pings every `intervalMs` until the server ends the connection or `durationMs` are over. */
  function pingUntilGoaway(
    intervalMs: number,
    durationMs: number,
  ): Promise<{ code: number; text: string } | undefined> {
    return new Promise((resolve, reject) => {
      const session = connect(target().server.clientUrl);
      const finish = (answer: { code: number; text: string } | undefined): void => {
        clearInterval(pinging);
        clearTimeout(ending);
        session.destroy();
        resolve(answer);
      };
      const pinging = setInterval(() => {
        if (!session.closed && !session.destroyed) session.ping(() => {});
      }, intervalMs);
      const ending = setTimeout(() => finish(undefined), durationMs);
      session.on('goaway', (code, _last, data) => finish({ code, text: Buffer.from(data ?? []).toString('utf8') }));
      session.on('error', reject);
    });
  }

  it('ends a connection that pings too often with too_many_pings', async () => {
    const ENHANCE_YOUR_CALM = 11;
    expect(await pingUntilGoaway(50, 5_000)).toEqual({ code: ENHANCE_YOUR_CALM, text: 'too_many_pings' });
  });

  it('leaves a connection alone that pings seldom', async () => {
    expect(await pingUntilGoaway(1_500, 2_000)).toBeUndefined();
  });
});
