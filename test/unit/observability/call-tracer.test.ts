/** Which calls become spans, and what becomes of spans that nobody takes. */
import { afterEach, describe, expect, test } from 'vitest';
import { Code } from '../../../src/base/etcd-error.ts';
import { CallTracer } from '../../../src/observability/call-tracer.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { TraceCollector, type CollectedSpan } from '../../support/trace-collector.ts';

const PATH = '/etcdserverpb.KV/Range';
const PEER = { address: '[::1]:4711' };
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const GRACE_MS = 20_000;

const collectors: TraceCollector[] = [];
afterEach(() => {
  for (const collector of collectors.splice(0)) collector.stop();
});

async function collector(): Promise<TraceCollector> {
  const started = await TraceCollector.start();
  collectors.push(started);
  return started;
}

function tracerFor({ address }: TraceCollector, samplesPerMillion = 1_000_000): CallTracer {
  return new CallTracer({ address, serviceName: 'etcd', instanceId: '', samplesPerMillion }, silentLogger);
}

const headers = (fields: Record<string, string> = {}): { get(name: string): string | undefined } => ({
  get: (name) => fields[name],
});
const parent = (flags: string): { get(name: string): string | undefined } =>
  headers({ traceparent: `00-${TRACE}-b7ad6b7169203331-${flags}` });

/** What the collector has when the tracer has stopped. */
async function spansOf(
  samplesPerMillion: number,
  run: (tracer: CallTracer) => void,
): Promise<readonly CollectedSpan[]> {
  const collecting = await collector();
  const tracer = tracerFor(collecting, samplesPerMillion);
  run(tracer);
  await tracer.stop(GRACE_MS);
  return collecting.spans;
}

describe('a span', () => {
  test('says what was called, by whom, and how it ended; no more than it knows', async () => {
    const [span, ...others] = await spansOf(1_000_000, (tracer) => {
      tracer.start(PATH, headers(), PEER)?.end(Code.OK, '');
    });
    expect(others).toEqual([]);
    expect(span).toMatchObject({
      name: 'etcdserverpb.KV/Range',
      kind: 2,
      parentSpanId: '',
      status: { code: 0, message: '' },
      resource: { 'service.name': 'etcd' },
      attributes: {
        'rpc.system': 'grpc',
        'rpc.service': 'etcdserverpb.KV',
        'rpc.method': 'Range',
        'net.sock.peer.addr': '::1',
        'net.sock.peer.port': '4711',
        'rpc.grpc.status_code': '0',
      },
    });
    expect(span?.resource).not.toHaveProperty('service.instance.id');
  });

  test.each([
    [Code.Unavailable, { code: 2, message: 'why' }],
    [Code.DeadlineExceeded, { code: 2, message: 'why' }],
    [Code.InvalidArgument, { code: 0, message: '' }],
    [Code.Canceled, { code: 0, message: '' }],
  ])('is an error where the server is to blame: code %i', async (code, status) => {
    const [span] = await spansOf(1_000_000, (tracer) => tracer.start(PATH, headers(), PEER)?.end(code, 'why'));
    expect(span).toMatchObject({ status, attributes: { 'rpc.grpc.status_code': String(code) } });
  });

  test('of a peer without an address names none', async () => {
    const [span] = await spansOf(1_000_000, (tracer) => {
      tracer.start(PATH, headers(), { address: '@' })?.end(Code.OK, '');
    });
    expect(Object.keys(span?.attributes ?? {})).not.toContain('net.sock.peer.addr');
  });
});

describe('whether a call is traced', () => {
  test('is for its parent to say, where it has one', async () => {
    const spans = await spansOf(1_000_000, (tracer) => {
      expect(tracer.start(PATH, parent('00'), PEER)).toBeUndefined();
      tracer.start(PATH, parent('01'), PEER)?.end(Code.OK, '');
    });
    expect(spans).toMatchObject([{ traceId: TRACE, parentSpanId: 'b7ad6b7169203331' }]);
    await spansOf(0, (tracer) => {
      expect(tracer.start(PATH, headers(), PEER)).toBeUndefined();
      expect(tracer.start(PATH, parent('00'), PEER)).toBeUndefined();
      expect(tracer.start(PATH, parent('01'), PEER)).toBeDefined();
    });
  });

  test.each([
    ['ff', TRACE, 'b7ad6b7169203331', '01'],
    ['00', '0'.repeat(32), 'b7ad6b7169203331', '01'],
    ['00', TRACE, '0'.repeat(16), '01'],
    ['00', TRACE.toUpperCase(), 'b7ad6b7169203331', '01'],
    ['00', TRACE.slice(1), 'b7ad6b7169203331', '01'],
  ])('a parent that is none does not count: %s-%s-%s-%s', async (...parts) => {
    const spans = await spansOf(1_000_000, (tracer) => {
      tracer.start(PATH, headers({ traceparent: parts.join('-') }), PEER)?.end(Code.OK, '');
    });
    expect(spans).toMatchObject([{ parentSpanId: '' }]);
    expect(spans[0]?.traceId).not.toBe(TRACE);
  });

  test('is otherwise decided by the rate', async () => {
    await spansOf(250_000, (tracer) => {
      let traced = 0;
      for (let i = 0; i < 4000; i++) if (tracer.start(PATH, headers(), PEER) !== undefined) traced++;
      // Seven standard deviations.
      expect(Math.abs(traced - 1000)).toBeLessThan(200);
    });
  });
});

test('what a collector does not take is dropped beyond a limit, and nobody waits for it', async () => {
  const collecting = await collector();
  collecting.isStuck = true;
  const tracer = tracerFor(collecting);
  for (let i = 0; i < 20_000; i++) tracer.start(PATH, headers(), PEER)?.end(Code.OK, '');
  await tracer.stop(50);
  expect(collecting.spans).toEqual([]);
  const working = await collector();
  const other = tracerFor(working);
  for (let i = 0; i < 20_000; i++) other.start(PATH, headers(), PEER)?.end(Code.OK, '');
  await other.stop(GRACE_MS);
  expect(working.spans.length).toBeGreaterThan(0);
  expect(working.spans.length).toBeLessThanOrEqual(2048 + 512);
});
