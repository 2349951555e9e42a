import { describe, expect, test } from 'vitest';
import { etcdError } from '../../../src/base/etcd-error.ts';
import type { HttpRequest, HttpResponse } from '../../../src/http/http-message.ts';
import { CACHED_MS } from '../../../src/http/ui/cluster-collector.ts';
import type { ClusterSource, OwnView } from '../../../src/http/ui/cluster-source.ts';
import { Dashboard, securityHeaders } from '../../../src/http/ui/dashboard.ts';
import type { ClusterView, StatusView } from '../../../src/ui/cluster-view.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const STATUS: StatusView = {
  version: '3.6.12',
  leader: 'a',
  term: 2,
  raftIndex: 10,
  appliedIndex: 9,
  dbSizeBytes: 4096,
  dbInUseBytes: 1024,
  quotaBytes: 0,
  errors: [],
};
const MEMBER = { name: '', isLearner: false, peerURLs: [] };
const OWN: OwnView = {
  clusterId: 'c',
  memberId: 'a',
  version: '3.6.12',
  leader: 'a',
  term: 2,
  revision: 7,
  alarms: [],
  members: [
    { ...MEMBER, id: 'a', clientURLs: ['http://a'] },
    { ...MEMBER, id: 'b', clientURLs: ['http://b'] },
    { ...MEMBER, id: 'c', clientURLs: ['http://c'] },
  ],
  authEnabled: false,
  status: STATUS,
};

class Source implements ClusterSource {
  readonly asked: string[] = [];
  token: string | undefined;

  async permit(token: string | undefined): Promise<void> {
    if (token !== this.token) throw etcdError(token === undefined ? 'UserEmpty' : 'InvalidAuthToken');
  }

  own(): OwnView {
    return OWN;
  }

  async status([url = '']: readonly string[], token: string | undefined): Promise<StatusView> {
    this.asked.push(`${url} ${token ?? ''}`);
    if (url === 'http://c') throw new Error('connect ECONNREFUSED');
    return { ...STATUS, appliedIndex: 5 };
  }
}

const ASSETS = { 'index.html': { type: 'text/html; charset=utf-8', body: '<p>page</p>' } };

async function rig() {
  const source = new Source();
  const clock = new ManualClock();
  const dashboard = await Dashboard.load({ source, clock, assets: ASSETS });
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<HttpResponse> => {
    const request: HttpRequest = {
      method,
      path,
      query: new URLSearchParams(),
      isTls: false,
      signal: new AbortController().signal,
      abort: () => {},
      body: (async function* () {})(),
      header: (name) => headers[name],
    };
    return dashboard.handle(request, true);
  };
  const cluster = async (token?: string): Promise<ClusterView> => {
    const { status, body } = await ask('/ui/api/cluster', token === undefined ? {} : { authorization: token });
    expect(status).toBe(200);
    return JSON.parse(body as string) as ClusterView;
  };
  return { source, clock, ask, cluster };
}

describe('the dashboard', () => {
  test('serves its page with a strict policy, and only once to who has it', async () => {
    const { ask } = await rig();
    const page = await ask('/ui/', { host: 'etcd.example:2379' });
    expect(page).toMatchObject({ status: 200, body: '<p>page</p>' });
    expect(page.headers).toMatchObject({
      'Content-Type': 'text/html; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache',
    });
    const etag = page.headers['ETag'] ?? '';
    expect(await ask('/ui/', { 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
  });

  test('is where /ui leads to; nothing else is there, and nothing can be sent to it', async () => {
    const { ask } = await rig();
    expect(await ask('/ui')).toMatchObject({ status: 301, headers: { Location: '/ui/' } });
    for (const path of ['/ui/nothing', '/ui/../metrics', '/ui/api/', '/ui/__proto__', '/ui/constructor']) {
      expect(await ask(path)).toMatchObject({ status: 404 });
    }
    expect(await ask('/ui/', {}, 'POST')).toMatchObject({ status: 405 });
    expect(await ask('/ui/api/cluster', {}, 'PUT')).toMatchObject({ status: 405 });
  });

  test('tells of all members, those that do not answer too', async () => {
    const { cluster } = await rig();
    const view = await cluster();
    expect(view).toMatchObject({ clusterId: 'c', gateway: true, revision: 7 });
    expect(view.members).toMatchObject([
      { id: 'a', status: { appliedIndex: 9 } },
      { id: 'b', status: { appliedIndex: 5 } },
      { id: 'c', error: 'connect ECONNREFUSED' },
    ]);
  });

  test('asks the members no more than once a second, whoever looks', async () => {
    const { source, clock, cluster } = await rig();
    await Promise.all([cluster(), cluster(), cluster()]);
    clock.advance(CACHED_MS - 1);
    await cluster();
    expect(source.asked).toEqual(['http://b ', 'http://c ']);
    clock.advance(1);
    await cluster();
    expect(source.asked).toHaveLength(4);
  });

  test('tells nothing to who may not look, even of what it just told another', async () => {
    const { source, ask, cluster } = await rig();
    source.token = 'token';
    await cluster('token');
    expect(source.asked).toEqual(['http://b token', 'http://c token']);
    for (const headers of [{}, { authorization: 'other' }]) {
      const { status, body } = await ask('/ui/api/cluster', headers);
      expect(status).toBe(401);
      expect(JSON.parse(body as string)).toEqual({ error: expect.stringMatching(/^etcdserver: /), gateway: true });
    }
  });
});

describe('the policy', () => {
  const directives = (host: string | undefined): Map<string, string> =>
    new Map(
      (securityHeaders(host)['Content-Security-Policy'] ?? '').split('; ').map((directive) => {
        const [name = '', ...values] = directive.split(' ');
        return [name, values.join(' ')];
      }),
    );

  test('allows own files and the paths that read, nothing else', () => {
    const policy = directives('etcd.example:2379');
    expect(policy.get('default-src')).toBe("'none'");
    expect(policy.get('script-src')).toBe("'self'");
    expect(policy.get('frame-ancestors')).toBe("'none'");
    expect(policy.get('connect-src')?.split(' ')).toEqual([
      'etcd.example:2379/metrics',
      'etcd.example:2379/ui/api/',
      'etcd.example:2379/v3/kv/range',
      'etcd.example:2379/v3/watch',
      'etcd.example:2379/v3/lease/timetolive',
      'etcd.example:2379/v3/auth/authenticate',
    ]);
  });

  test.each([[undefined], ['[::1]:2379'], ["x; script-src 'unsafe-inline'"], ['a b'], ['']])(
    'does not repeat the host %s',
    (host) => {
      expect(directives(host).get('connect-src')).toBe("'self'");
      expect(directives(host).get('script-src')).toBe("'self'");
    },
  );
});
