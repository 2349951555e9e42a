import { beforeEach, describe, expect, it } from 'vitest';
import { noHealthMetrics } from '../../../src/http/health-source.ts';
import { clientEndpoints, metricsEndpoints } from '../../../src/http/endpoints.ts';
import type { AccessOptions } from '../../../src/http/access.ts';
import type { HttpRequest, HttpResponse } from '../../../src/http/http-message.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';

const member = {
  alarms: [] as string[],
  hasLeader: true,
  isLearner: false,
  serializableError: undefined as string | undefined,
  linearizableError: undefined as string | undefined,
  clusterVersion: '3.6.0' as string | undefined,
  isStuck: false,
  health: [] as unknown[],
};
const initial = { ...member };

async function readOrFail(error: string | undefined): Promise<void> {
  if (member.isStuck) await new Promise(() => {});
  if (error !== undefined) throw new Error(error);
}

const options = {
  health: {
    source: {
      alarms: () => member.alarms,
      hasLeader: () => member.hasLeader,
      isLearner: () => member.isLearner,
      serializableRead: () => readOrFail(member.serializableError),
      linearizableRead: () => readOrFail(member.linearizableError),
    },
    metrics: { ...noHealthMetrics, health: (isHealthy: boolean) => void member.health.push(isHealthy) },
    logger: silentLogger,
    clock: new NodeClock(),
    requestTimeoutMs: 50,
  },
  metrics: { contentType: 'text/plain; version=0.0.4', expose: () => 'a_metric 1\n' },
  version: {
    serverVersion: '3.6.14',
    clusterVersion: () => member.clusterVersion,
    storageVersion: () => undefined,
  },
};

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly access?: AccessOptions;
  readonly isTls?: boolean;
  readonly isMetricsPort?: boolean;
}

async function ask(target: string, how: Ask = {}): Promise<HttpResponse> {
  const [path = '', query = ''] = target.split('?');
  const request: HttpRequest = {
    method: how.method ?? 'GET',
    path,
    query: new URLSearchParams(query),
    header: (name) => how.headers?.[name],
    isTls: how.isTls ?? false,
    body: (async function* () {})(),
    signal: new AbortController().signal,
    abort: () => {},
  };
  const handler = how.isMetricsPort
    ? metricsEndpoints(options)
    : clientEndpoints({ ...options, access: how.access ?? {} }, (routes) =>
        routes.prefix('/v3/', (inner) => ({ status: 200, headers: {}, body: inner.path })),
      );
  return handler(request);
}

async function brief(target: string, how: Ask = {}): Promise<[number, string]> {
  const { status, body } = await ask(target, how);
  if (typeof body !== 'string') throw new Error('a text was expected');
  return [status, body];
}

beforeEach(() => {
  Object.assign(member, initial, { alarms: [], health: [] });
});

describe('/version', () => {
  it('tells the versions, as compact JSON', async () => {
    const response = await ask('/version');
    expect(response.body).toBe('{"etcdserver":"3.6.14","etcdcluster":"3.6.0","storage":"unknown"}');
    expect(response.headers['Content-Type']).toBe('application/json');
    member.clusterVersion = undefined;
    expect((await ask('/version')).body).toContain('"etcdcluster":"not_decided"');
  });

  it('answers 405 to other methods', async () => {
    for (const method of ['POST', 'HEAD', 'DELETE']) {
      const response = await ask('/version', { method });
      expect([response.status, response.body, response.headers['Allow']]).toEqual([405, 'Method Not Allowed\n', 'GET']);
    }
  });
});

describe('/health', () => {
  it('is true when all is well', async () => {
    const response = await ask('/health');
    expect([response.status, response.body]).toEqual([200, '{"health":"true","reason":""}']);
    expect(response.headers['Content-Type']).toBe('text/plain; charset=utf-8');
    expect(member.health).toEqual([true]);
  });

  it('is false while an alarm is on that is not excluded', async () => {
    member.alarms = ['NOSPACE', 'CORRUPT'];
    expect(await brief('/health')).toEqual([503, '{"health":"false","reason":"ALARM NOSPACE"}\n']);
    expect(await brief('/health?exclude=NOSPACE')).toEqual([503, '{"health":"false","reason":"ALARM CORRUPT"}\n']);
    expect(await brief('/health?exclude=NOSPACE&exclude=CORRUPT')).toEqual([200, '{"health":"true","reason":""}']);
    member.alarms = ['MYSTERY'];
    expect(await brief('/health')).toEqual([503, '{"health":"false","reason":"ALARM UNKNOWN"}\n']);
    expect(member.health).toEqual([false, false, true, false]);
  });

  it('needs a leader and a linearizable read, or only a local read when serializable', async () => {
    member.hasLeader = false;
    member.linearizableError = 'etcdserver: no <leader>';
    expect(await brief('/health')).toEqual([503, '{"health":"false","reason":"RAFT NO LEADER"}\n']);
    expect(await brief('/health?serializable=true')).toEqual([200, '{"health":"true","reason":""}']);
    expect((await brief('/health?serializable=1'))[0]).toBe(503);
    member.hasLeader = true;
    expect(await brief('/health')).toEqual([
      503,
      '{"health":"false","reason":"RANGE ERROR:etcdserver: no \\u003cleader\\u003e"}\n',
    ]);
    member.serializableError = 'broken';
    expect((await brief('/health?serializable=true'))[1]).toBe('{"health":"false","reason":"RANGE ERROR:broken"}\n');
  });

  it('does not wait for ever', async () => {
    member.isStuck = true;
    expect((await brief('/health'))[1]).toBe('{"health":"false","reason":"RANGE ERROR:context deadline exceeded"}\n');
  });

  it('answers 405 to other methods', async () => {
    expect(await brief('/health', { method: 'POST' })).toEqual([405, 'Method Not Allowed\n']);
  });
});

describe('/livez and /readyz', () => {
  it('say ok, and more when asked', async () => {
    expect(await brief('/livez')).toEqual([200, 'ok\n']);
    expect(await brief('/readyz')).toEqual([200, 'ok\n']);
    expect(await brief('/livez?verbose')).toEqual([200, '[+]serializable_read ok\nok\n']);
    const [status, body] = await brief('/readyz?verbose');
    const lines = body.split('\n');
    expect(status).toBe(200);
    expect(lines.slice(-2)).toEqual(['ok', '']);
    expect(lines.slice(0, -2).toSorted()).toEqual([
      '[+]data_corruption ok',
      '[+]linearizable_read ok',
      '[+]non_learner ok',
      '[+]serializable_read ok',
    ]);
  });

  it('list every check when one fails', async () => {
    member.alarms = ['CORRUPT'];
    member.linearizableError = 'etcdserver: request timed out';
    const [status, body] = await brief('/readyz');
    expect(status).toBe(503);
    expect(body.split('\n').toSorted()).toEqual([
      '',
      '',
      '[+]non_learner ok',
      '[+]serializable_read ok',
      '[-]data_corruption failed: alarm activated: CORRUPT',
      '[-]linearizable_read failed: etcdserver: request timed out',
    ]);
    expect(await brief('/livez')).toEqual([200, 'ok\n']);
    expect(await brief('/readyz?exclude=data_corruption&exclude=linearizable_read&exclude=unknown')).toEqual([
      200,
      'ok\n',
    ]);
  });

  it('offer single checks', async () => {
    member.isLearner = true;
    expect(await brief('/readyz/serializable_read')).toEqual([200, 'ok\n']);
    expect(await brief('/readyz/linearizable_read?verbose')).toEqual([200, '[+]linearizable_read ok\nok\n']);
    expect(await brief('/readyz/non_learner')).toEqual([503, '[-]non_learner failed: not supported for learner\n\n']);
    expect(await brief('/livez/linearizable_read')).toEqual([404, '404 page not found\n']);
    expect(await brief('/readyz/nope')).toEqual([404, '404 page not found\n']);
  });

  it('answer 405 to other methods', async () => {
    for (const path of ['/livez', '/readyz', '/livez/serializable_read']) {
      expect(await brief(path, { method: 'PUT' })).toEqual([405, 'Method Not Allowed\n']);
    }
  });
});

describe('the ports', () => {
  it('serve metrics on both, version only to clients, 404 for the rest', async () => {
    expect(await brief('/metrics')).toEqual([200, 'a_metric 1\n']);
    expect(await brief('/metrics', { isMetricsPort: true })).toEqual([200, 'a_metric 1\n']);
    expect(await brief('/health', { isMetricsPort: true })).toEqual([200, '{"health":"true","reason":""}']);
    expect(await brief('/version', { isMetricsPort: true })).toEqual([404, '404 page not found\n']);
    for (const path of ['/', '/nope', '/health/', '/version/', '/livez/']) {
      expect([path, ...(await brief(path))]).toEqual([path, 404, '404 page not found\n']);
    }
  });

  it('send CORS headers on the client port to the origins allowed', async () => {
    const origin = async (how: Ask): Promise<string | undefined> =>
      (await ask('/health', how)).headers['Access-Control-Allow-Origin'];
    expect(await origin({})).toBe('*');
    expect(await origin({ isMetricsPort: true })).toBeUndefined();
    const access = { cors: ['http://a'] };
    expect(await origin({ access, headers: { origin: 'http://a' } })).toBe('http://a');
    expect(await origin({ access, headers: { origin: 'http://b' } })).toBeUndefined();
    const preflight = await ask('/anything', { method: 'OPTIONS' });
    expect([preflight.status, preflight.body]).toEqual([200, '']);
    expect(preflight.headers['Access-Control-Allow-Methods']).toBe('POST, GET, OPTIONS, PUT, DELETE');
  });

  it('refuse unknown hosts on plaintext connections only', async () => {
    const access = { hostWhitelist: ['good'] };
    const status = async (host: string, isTls = false): Promise<number> =>
      (await ask('/health', { access, headers: { host }, isTls })).status;
    expect(await status('good:2379')).toBe(200);
    expect(await status('bad:2379')).toBe(421);
    expect(await status('[::1]:2379')).toBe(421);
    expect(await status('bad', true)).toBe(200);
  });

  it('know the prefix of older gateways', async () => {
    expect(await brief('/v3beta/kv/put', { method: 'POST' })).toEqual([200, '/v3/kv/put']);
    expect(await brief('/v3alpha/kv/put', { method: 'POST' })).toEqual([404, '404 page not found\n']);
  });
});
