/** The same HTTP requests to a real etcd and to quorate: the answers are the same, byte for byte, but for ids and dates. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, type HttpAnswer } from '../../support/http.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import { Target } from '../../support/target.ts';

interface Exchange {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

const FLAGS = { flags: ['--bcrypt-cost=4', '--cors=http://a.example:80', '--host-whitelist=127.0.0.1,localhost'] };
const NOTED_HEADERS = /^(access-control-.*|content-type|grpc-metadata-.*|www-authenticate|location)$/;
/** The answer would be a stream that stays open. */
const STREAM_MS = 10_000;

const reason = etcdBinDir() === undefined ? NO_ETCD : undefined;
if (reason !== undefined) console.info(`skipped: the JSON gateway beside a real etcd: ${reason}`);

describe.skipIf(reason !== undefined)('the JSON gateway answers as etcd does', () => {
  let targets: Target[] = [];

  beforeAll(async () => {
    targets = await Promise.all([Target.start('etcd', FLAGS), Target.start('quorate', FLAGS)]);
    const { body } = await http(`${targets[0]?.server.clientUrl}/v3/kv/range`, {
      method: 'POST',
      body: '{"key":"AQ=="}',
    });
    isSpaced = body.includes('", "');
    if (!isSpaced)
      console.info('this etcd sets JSON without spaces, as builds of it do or do not: they are not compared');
  });
  afterAll(async () => {
    await Promise.all(targets.map((target) => target.stop()));
  });

  const onBoth = async <T>(ask: (target: Target) => Promise<T>): Promise<T> => {
    const answers = await Promise.all(targets.map(ask));
    expect(answers[1]).toEqual(answers[0]);
    return answers[0] as T;
  };

  const expectSame = (path: string, body: string | Buffer, how: Exchange = {}): Promise<string> =>
    onBoth(async (target) => {
      const options = { method: 'POST', body, ...how };
      return shown(target, await http(target.server.clientUrl + path, options));
    });

  /** The first lines of a stream, which stays open. */
  const expectSameLines = (path: string, body: string, count: number): Promise<string> =>
    onBoth(async (target) => ids(target, await firstLines(target.server.clientUrl + path, body, count)));

  const key = (text: string): string => Buffer.from(text).toString('base64');

  it('keys', async () => {
    const put = (name: string, more = ''): Promise<string> =>
      expectSame('/v3/kv/put', `{"key":"${key(name)}","value":"${key('value')}"${more}}`);
    expect(await put('a')).toContain('"revision":"2"');
    await put('a', ',"prev_kv":true');
    await put('b', ',"lease":"0"');
    await expectSame('/v3/kv/put', '{"key":"gA==","value":"//79"}');
    for (const more of [
      '',
      ',"range_end":"AA=="',
      ',"rangeEnd":"AA==","limit":2',
      ',"range_end":"AA==","limit":"1","sort_order":"DESCEND","sort_target":"MOD"',
      ',"range_end":"AA==","count_only":true',
      ',"range_end":"AA==","keysOnly":true',
      ',"revision":3',
      ',"revision":"100"',
      ',"serializable":true',
    ]) {
      await expectSame('/v3/kv/range', `{"key":"${key('a')}"${more}}`);
    }
    await expectSame('/v3/kv/range', '');
    await expectSame('/v3beta/kv/range', `{"key":"${key('a')}"}`);
    await expectSame('/v3/kv/deleterange', `{"key":"${key('b')}","prev_kv":true}`);
    await expectSame('/v3/kv/deleterange', `{"key":"${key('nothing')}"}`);
    await expectSame('/v3/kv/compaction', '{"revision":"3"}');
    await expectSame('/v3/kv/compaction', '{"revision":3}');
  });

  it('transactions', async () => {
    const put = `{"requestPut":{"key":"${key('t')}","value":"${key('v')}"}}`;
    const more = `{"request_range":{"key":"${key('t')}"}},{"request_delete_range":{"key":"${key('t')}","prev_kv":true}}`;
    const inner = `{"request_txn":{"success":[${more}]}}`;
    await expectSame('/v3/kv/txn', `{"compare":[{"key":"${key('t')}","version":0}],"success":[${put}],"failure":[]}`);
    await expectSame(
      '/v3/kv/txn',
      `{"compare":[{"key":"${key('t')}","target":"VERSION","result":"GREATER","version":"0"}],"success":[${more}]}`,
    );
    await expectSame('/v3/kv/txn', `{"success":[${put},${inner}]}`);
    await expectSame('/v3/kv/txn', '{}');
    await expectSame('/v3/kv/txn', '{"success":[{"request_put":{}}]}');
    await expectSame('/v3/kv/txn', '{"success":[{}]}');
  });

  it('what is no request', async () => {
    const bodies = [
      '{"key":"Zm9v"', '{"key":"Zm9v","key":"Zm9v"}', '{"key":"Zm9v","range_end":"AA==","rangeEnd":"AA=="}', '{"key":"Zm9v"}x',
      '{"key":"Zm9v",}', '{key:1}', 'x', '{"key":"Zm9v" "b"', 'null', '5', '"a"', '[]', '[1,2', '{"key":"a', '{"key":"a\\q"}',
      '{"key":"a\u0001"}', '{"key":"Zm9v","unknown":{"a":[1,2,{"b":null}]},"limit":"5"}', '{"key":"Zm9v","limit":1e2}',
      '{"key":"Zm9v","limit":1.0}', '{"key":"Zm9v","limit":" 5"}', '{"key":"Zm9v","limit":99999999999999999999}', '{"key":"Zm9v","limit":"x"}',
      '{"key":"Zm9v","limit":"-9223372036854775808"}', '{"key":"Zm9v","limit":1.5}', '{"key":"Zm9v","limit":""}', '{"key":"Zm9v","limit":01}',
      '{"key":"Zm9v","limit":-}', '{"key":"Zm9v","limit":1e}', '{"key":"Zm9v","limit":1.}', '{"key":"Zm9v","serializable":"true"}',
      '{"key":"Zm9v","serializable":1}', '{"key":"Zm9v","serializable":tru}', '{"key":"Zm9v","serializable":nul}', '{"key":"Zm9v","sort_order":true}',
      '{"key":"Zm9v","sort_order":"UP"}', '{"key":null}', '{"key":5}', '{"key":"Zm9"}', '{"key":"_-8"}', '{"key":"Zm9v="}', '{"key":"Zm9v!"}',
      '{"key":"Zm\\n9v"}', '{"key":{}}', '{"key":[]}', ' \n {"key":\n  7}', '{"\\u006bey":"Zm9v"}', '{"key":"\\u00zz"}', '{"key":"Zm9v"]', '[}',
      '{"a":{"b":[{"c":"}"}]},"key":"Zm9v"}', `{"key":"Zm9v","x":${'['.repeat(10_001)}`,
    ]; // prettier-ignore
    for (const body of bodies) await expectSame('/v3/kv/range', body);
    await expectSame('/v3/kv/range', Buffer.from('{"key":"a\xff"}', 'latin1'));
    await expectSame('/v3/kv/range', Buffer.from('{\xff}', 'latin1'));
    for (const body of [
      '{"compare":{}}',
      '{"compare":[null]}',
      '{"compare":[1]}',
      '{"compare":[{"key":"AA==","version":1,"value":"AA=="}]}',
      '{"success":[{"request_put":{"key":"AA=="},"request_range":{}}]}',
      '{\n "success":[{"requestPut":\n  {"key":5}}]}',
    ]) {
      await expectSame('/v3/kv/txn', body);
    }
    await expectSame('/v3/auth/user/add', '{"name":5}');
    await expectSame('/v3/kv/range', '{}', { headers: { 'Grpc-Timeout': '5x' } });
    await expectSame('/v3/kv/range', `{"key":"${'A'.repeat(4_000_000)}"}`);
  });

  it('other paths and methods', async () => {
    await expectSame('/v3/', '{}');
    await expectSame('/v3', '{}');
    await expectSame('/v3', '', { method: 'GET' });
    await expectSame('/v3/kv', '{}');
    await expectSame('/v3/kv/range/', '{}');
    await expectSame('/v3/kv/nothing', '{}');
    await expectSame('/v3alpha/kv/range', '{}');
    for (const method of ['GET', 'PUT', 'DELETE']) await expectSame('/v3/kv/range', '', { method });
  });

  it('origins and hosts', async () => {
    const range = `{"key":"${key('a')}"}`;
    await expectSame('/v3/kv/range', range, { headers: { Origin: 'http://a.example:80' } });
    await expectSame('/v3/kv/range', range, { headers: { Origin: 'http://b.example:80' } });
    await expectSame('/v3/kv/range', '', { method: 'OPTIONS', headers: { Origin: 'http://a.example:80' } });
    await expectSame('/v3/kv/range', '', { method: 'OPTIONS', headers: { Origin: 'http://b.example:80' } });
    await expectSame('/v3/kv/range', range, { headers: { Host: 'localhost:1' } });
    for (const { server } of targets) {
      const answer = await http(`${server.clientUrl}/v3/kv/range`, {
        method: 'POST',
        headers: { Host: 'evil.example' },
      });
      expect(answer.status).toBe(421);
      expect(answer.body).toContain('--host-whitelist');
    }
  });

  it('leases', async () => {
    await expectSame('/v3/lease/grant', '{"TTL":60,"ID":"7587848390000000001"}');
    await expectSame('/v3/lease/grant', '{"TTL":60,"ID":7587848390000000001}');
    await expectSame('/v3/kv/put', `{"key":"${key('leased')}","lease":"7587848390000000001"}`);
    await expectSame('/v3/lease/timetolive', '{"ID":"7587848390000000001","keys":true}');
    await expectSame('/v3/kv/lease/timetolive', '{"ID":"5"}');
    await expectSame('/v3/lease/leases', '{}');
    await expectSame('/v3/kv/lease/leases', '');
    await expectSame('/v3/lease/keepalive', '{"ID":7587848390000000001}{"ID":"5"}');
    await expectSame('/v3/lease/keepalive', '{"ID":5}{"ID":"7x"}');
    await expectSame('/v3/lease/keepalive', '');
    await expectSame('/v3/lease/keepalive', '[]');
    await expectSame('/v3/kv/lease/revoke', '{"ID":"7587848390000000001"}');
    await expectSame('/v3/lease/revoke', '{"ID":"7587848390000000001"}');
  });

  it('watches', async () => {
    await expectSame('/v3/kv/put', `{"key":"${key('w')}","value":"${key('1')}"}`);
    await expectSame('/v3/kv/put', `{"key":"${key('w')}","value":"${key('2')}"}`);
    await expectSame('/v3/kv/deleterange', `{"key":"${key('w')}"}`);
    const watch = (more: string): string => `{"create_request":{"key":"${key('w')}"${more}}}`;
    const lines = await expectSameLines('/v3/watch', watch(',"start_revision":"4","prev_kv":true'), 2);
    expect(lines).toContain('"type":"DELETE"');
    await expectSameLines('/v3/watch', watch(',"start_revision":"4","filters":["NOPUT"]'), 2);
    await expectSameLines('/v3/watch', watch(',"start_revision":1'), 2);
    await expectSameLines('/v3/watch', watch(',"start_revision":"-4"'), 1);
    await expectSameLines(
      '/v3/watch',
      `${watch('')} ${watch(',"watch_id":"5"')}\n{"cancel_request":{"watch_id":5}}`,
      3,
    );
  });

  it('locks and elections', async () => {
    await expectSame('/v3/lease/grant', '{"TTL":60,"ID":"99"}');
    const name = key('line');
    await expectSame('/v3/lock/lock', `{"name":"${name}","lease":"99"}`);
    await expectSame('/v3/lock/unlock', `{"key":"${key('line/63')}"}`);
    await expectSame('/v3/lock/lock', `{"name":"${name}","lease":"98"}`);
    await expectSame('/v3/election/leader', `{"name":"${name}"}`);
    await expectSame('/v3/election/campaign', `{"name":"${name}","lease":"99","value":"${key('me')}"}`);
    await expectSame('/v3/election/leader', `{"name":"${name}"}`);
    await expectSameLines('/v3/election/observe', `{"name":"${name}"}`, 1);
    await expectSame('/v3/election/proclaim', '{}');
    await expectSame('/v3/election/resign', '{"leader":{}}');
    await expectSame('/v3/election/observe', '[]');
  });

  it('cluster and maintenance', async () => {
    await expectSame('/v3/maintenance/hashkv', '{"revision":1000}');
    await expectSame('/v3/maintenance/defragment', '{}');
    await expectSame('/v3/maintenance/alarm', '{"action":"ACTIVATE","memberID":"7","alarm":"CORRUPT"}');
    await expectSame('/v3/maintenance/alarm', '{"action":"GET"}');
    await expectSame('/v3/maintenance/alarm', '{"action":2,"memberID":7,"alarm":2}');
    await expectSame('/v3/maintenance/transfer-leadership', '{"targetID":"12345"}');
    await expectSame('/v3/maintenance/downgrade', '{"action":"VALIDATE","version":"x"}');
    await expectSame('/v3/cluster/member/remove', '{"ID":"12345"}');
    await expectSame('/v3/cluster/member/promote', '{"ID":"12345"}');
    await expectSame('/v3/cluster/member/update', '{"ID":"12345","peerURLs":["http://127.0.0.1:1"]}');
    await expectSame('/v3/cluster/member/add', '{"peerURLs":["nonsense"]}');
    for (const { server } of targets) {
      const snapshot = await http(`${server.clientUrl}/v3/maintenance/snapshot`, { method: 'POST', body: '{}' });
      const blobs = snapshot.body
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { result: { blob?: string } }).result.blob);
      expect(Buffer.concat(blobs.map((blob) => Buffer.from(blob ?? '', 'base64'))).length % 512).toBe(32);
    }
  });

  it('users', async () => {
    await expectSame('/v3/auth/status', '{}');
    await expectSame('/v3/auth/enable', '{}');
    await expectSame('/v3/auth/user/add', '{"name":"a<b>&\\u2028\\ud83d\\ude00\\u0001\\u007f","password":"x"}');
    await expectSame('/v3/auth/user/add', '{"name":"none","options":{"no_password":true}}');
    await expectSame('/v3/auth/user/list', '{}');
    await expectSame('/v3/auth/user/add', '{"name":"root","password":"r"}');
    await expectSame('/v3/auth/role/add', '{"name":"root"}');
    await expectSame('/v3/auth/role/add', '{"name":"role"}');
    await expectSame(
      '/v3/auth/role/grant',
      '{"name":"role","perm":{"permType":"READWRITE","key":"AQ==","range_end":"AA=="}}',
    );
    await expectSame('/v3/auth/role/grant', '{"name":"role","perm":{"key":"Ag=="}}');
    await expectSame('/v3/auth/role/get', '{"role":"role"}');
    await expectSame('/v3/auth/role/list', '{}');
    await expectSame('/v3/auth/role/revoke', '{"role":"role","key":"Ag=="}');
    await expectSame('/v3/auth/user/grant', '{"user":"root","role":"root"}');
    await expectSame('/v3/auth/user/grant', '{"user":"none","role":"role"}');
    await expectSame('/v3/auth/user/get', '{"name":"none"}');
    await expectSame('/v3/auth/user/changepw', '{"name":"root","password":"s"}');
    await expectSame('/v3/auth/user/revoke', '{"name":"none","role":"role"}');
    await expectSame('/v3/auth/user/delete', '{"name":"none"}');
    await expectSame('/v3/auth/role/delete', '{"role":"role"}');
    await expectSame('/v3/auth/enable', '{}');
    const range = `{"key":"${key('a')}"}`;
    await expectSame('/v3/kv/range', range);
    await expectSame('/v3/kv/range', range, { headers: { Authorization: 'forged' } });
    await expectSame('/v3/lease/keepalive', '{"ID":5}');
    await expectSame('/v3/election/observe', '{"name":"AA=="}');
    await expectSame('/v3/lock/lock', '{"name":"AA=="}');
    await expectSameLines('/v3/watch', `{"create_request":${range}}`, 1);
    await expectSame('/v3/auth/authenticate', '{"name":"root","password":"wrong"}');
    const tokens = await Promise.all(
      targets.map(async ({ server }) => {
        const { body } = await http(`${server.clientUrl}/v3/auth/authenticate`, {
          method: 'POST',
          body: '{"name":"root","password":"s"}',
        });
        return (JSON.parse(body) as { token: string }).token;
      }),
    );
    for (const name of ['Authorization', 'Grpc-Metadata-Token']) {
      const answers = await Promise.all(
        targets.map(async (target, i) => {
          const options = { method: 'POST', body: range, headers: { [name]: tokens[i] ?? '' } };
          return shown(target, await http(`${target.server.clientUrl}/v3/kv/range`, options));
        }),
      );
      expect(answers[0]).toContain('"kvs"');
      expect(answers[1]).toEqual(answers[0]);
    }
  });
});

function shown(target: Target, { status, headers, body }: HttpAnswer): string {
  const noted = Object.entries(headers).filter(([name]) => NOTED_HEADERS.test(name));
  const lines = noted.map(([name, value]) => `${name}: ${String(value)}`).sort();
  return ids(target, [`${status}`, ...lines, '', body].join('\n'));
}

/**
 * Protobuf for Go decides by a hash of the binary whether it puts spaces after commas, and no-break spaces into its errors. Ours
 * are as in the build of 3.5.30 that tests run with.
 */
let isSpaced = true;

/** Ids by their names, terms, which depend on how elections went, and times to live, which run. */
function ids({ clusterId, memberId }: Target, text: string): string {
  const spaced = isSpaced ? text : text.replaceAll(/, (?=["{[])/g, ',').replaceAll('\u00a0', ' ');
  return spaced
    .replaceAll(String(clusterId), 'CLUSTER')
    .replaceAll(String(memberId), 'MEMBER')
    .replaceAll(/"raft_term":"\d+"/g, '"raft_term":"TERM"')
    .replaceAll(/"TTL":"(?:5\d|60)"/g, '"TTL":"60"');
}

function firstLines(url: string, body: string, count: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const call = httpRequest(url, { method: 'POST', agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
        if (text.split('\n').length > count) finish();
      });
      response.on('end', () => finish());
    });
    const timer = setTimeout(() => reject(new Error(`only this within ${STREAM_MS} ms: ${text}`)), STREAM_MS);
    const finish = (): void => {
      clearTimeout(timer);
      call.destroy();
      resolve(text.split('\n').slice(0, count).join('\n'));
    };
    call.on('error', (error) => (text === '' ? reject(error) : finish()));
    call.end(body);
  });
}
