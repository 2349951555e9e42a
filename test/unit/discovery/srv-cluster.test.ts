/** --discovery-srv against a name service in memory. */
import { describe, expect, test } from 'vitest';
import { checkAdvertised } from '../../../src/discovery/advertised-match.ts';
import type { NameService, SrvRecord } from '../../../src/discovery/name-service.ts';
import { clusterFromSrv, type SrvQuery } from '../../../src/discovery/srv-cluster.ts';
import { searchNames } from '../../../src/discovery/system-name-service.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function names(services: Record<string, SrvRecord[]>, hosts: Record<string, string>): NameService {
  return {
    srv: (service, domain) => {
      const records = services[service];
      if (records === undefined) return Promise.reject(new Error(`lookup _${service}._tcp.${domain}: no such host`));
      return Promise.resolve(records);
    },
    address: (host) => {
      const address = /^[\d.]+$|:/.test(host) ? host : hosts[host.replace(/\.$/, '')];
      return address === undefined
        ? Promise.reject(new Error(`lookup ${host}: no such host`))
        : Promise.resolve(address);
    },
  };
}

const HOSTS = { 'a.x': '10.0.0.1', 'b.x': '10.0.0.2', 'c.x': '10.0.0.3', 'v6.x': '::1' };
const RECORDS: SrvRecord[] = [
  { target: 'b.x.', port: 2380 },
  { target: 'a.x.', port: 2380 },
  { target: 'c.x.', port: 2380 },
];

function query(changes: Partial<SrvQuery> = {}): SrvQuery {
  const advertised = [{ text: 'http://10.0.0.1:2380', secure: false, host: '10.0.0.1', port: 2380 }];
  return { domain: 'x', serviceName: '', memberName: 'me', advertised, ...changes };
}

const found = (q: SrvQuery, n: NameService): Promise<string> => clusterFromSrv(q, n, silentLogger);

describe('the initial cluster', () => {
  test('has the hosts of the records; the own one by its address, the others numbered', async () => {
    expect(await found(query(), names({ 'etcd-server': RECORDS }, HOSTS))).toBe(
      '0=http://b.x:2380,me=http://a.x:2380,1=http://c.x:2380',
    );
  });

  test('the name of the service may have a suffix', async () => {
    const n = names({ 'etcd-server-blue': [{ target: 'a.x', port: 2380 }] }, HOSTS);
    expect(await found(query({ serviceName: 'blue' }), n)).toBe('me=http://a.x:2380');
  });

  test('records for TLS are https, and count together with the others', async () => {
    const n = names({ 'etcd-server-ssl': [{ target: 'b.x.', port: 1 }], 'etcd-server': RECORDS.slice(1, 2) }, HOSTS);
    expect(await found(query(), n)).toBe('0=https://b.x:1,me=http://a.x:2380');
  });

  test('a record without an address, or of this member with another scheme, is left out', async () => {
    const n = names(
      { 'etcd-server-ssl': RECORDS, 'etcd-server': [{ target: 'gone.x.', port: 2380 }, ...RECORDS] },
      HOSTS,
    );
    expect(await found(query(), n)).toBe(
      '0=https://b.x:2380,1=https://c.x:2380,0=http://b.x:2380,me=http://a.x:2380,1=http://c.x:2380',
    );
  });

  test('an address of IPv6 is in brackets', async () => {
    const advertised = [{ text: 'http://[::1]:2380', secure: false, host: '::1', port: 2380 }];
    const n = names({ 'etcd-server': [{ target: '::1', port: 2380 }] }, HOSTS);
    expect(await found(query({ advertised }), n)).toBe('me=http://[::1]:2380');
  });
});

describe('fails', () => {
  test('without records', async () => {
    await expect(found(query({ serviceName: 'n' }), names({}, HOSTS))).rejects.toThrow(
      'error querying DNS SRV records for _etcd-server-ssl-n lookup _etcd-server-ssl-n._tcp.x: no such host; ' +
        'error querying DNS SRV records for _etcd-server-n lookup _etcd-server-n._tcp.x: no such host',
    );
  });

  test('when none of the records is this member', async () => {
    const q = query({ advertised: [{ text: 'http://10.9.9.9:2380', secure: false, host: '10.9.9.9', port: 2380 }] });
    await expect(found(q, names({ 'etcd-server': RECORDS }, HOSTS))).rejects.toThrow(
      'cannot find local etcd member "me" in SRV records',
    );
  });

  test('when what it advertises has no address', async () => {
    const q = query({ advertised: [{ text: 'http://gone.x:2380', secure: false, host: 'gone.x', port: 2380 }] });
    await expect(found(q, names({ 'etcd-server': RECORDS }, HOSTS))).rejects.toThrow('lookup gone.x: no such host');
  });

  test('when the only record is its own with another scheme', async () => {
    const n = names({ 'etcd-server-ssl': [{ target: 'a.x.', port: 2380 }] }, HOSTS);
    await expect(found(query(), n)).rejects.toThrow(
      'bootstrap at https://a.x:2380 from DNS for etcd-server-ssl has scheme mismatch with expected peer http://10.0.0.1:2380',
    );
  });
});

describe('names that are looked for', () => {
  const conf = 'nameserver 10.0.0.1\nsearch ns.svc.cluster.local svc.cluster.local.\noptions ndots:5\n';

  test.each([
    ['_s._tcp.a.b', '', ['_s._tcp.a.b']],
    ['_s._tcp.a', conf, ['_s._tcp.a.ns.svc.cluster.local', '_s._tcp.a.svc.cluster.local', '_s._tcp.a']],
    [
      '_s._tcp.a.b.c.d',
      conf,
      ['_s._tcp.a.b.c.d', '_s._tcp.a.b.c.d.ns.svc.cluster.local', '_s._tcp.a.b.c.d.svc.cluster.local'],
    ],
    ['_s._tcp.a.', conf, ['_s._tcp.a']],
  ])('%s', (name, resolvConf, expected) => expect(searchNames(name, resolvConf)).toEqual(expected));
});

describe('the own entry', () => {
  const n = names({}, HOSTS);
  const check = (listed: string[], advertised: string[], service = n, clock = new ManualClock()): Promise<void> =>
    checkAdvertised('me', listed, advertised, { names: service, clock });

  test.each([
    [['http://a.x:1'], ['http://a.x:1']],
    [['http://a.x:1'], ['http://10.0.0.1:1']],
    [
      ['http://b.x:1', 'http://10.0.0.1:1'],
      ['http://10.0.0.2:1', 'http://a.x:1'],
    ],
    [['http://[::1]:1'], ['http://v6.x:1']],
  ])('%j is %j', async (listed, advertised) => {
    await expect(check(listed, advertised)).resolves.toBeUndefined();
  });

  test.each([
    [['http://a.x:1'], ['http://10.0.0.1:2'], '(resolved urls: http://10.0.0.1:2 != http://10.0.0.1:1)'],
    [['http://a.x:1'], ['https://10.0.0.1:1'], '--initial-cluster has me=http://a.x:1 but missing from --initial-'],
    [['http://localhost:1'], ['http://127.0.0.1:1'], 'missing from --initial-advertise-peer-urls=http://127.0.0.1:1'],
    [[], ['http://a.x:1'], '--initial-advertise-peer-urls has me=http://a.x:1 but missing from --initial-cluster='],
  ])('%j is not %j', async (listed, advertised, message) => {
    await expect(check(listed, advertised)).rejects.toThrow(message);
  });

  test('a name that is not known yet is asked for again, for thirty seconds', async () => {
    let asked = 0;
    const slow: NameService = {
      ...n,
      address: (host) => (host === 'late.x' && ++asked < 4 ? Promise.reject(new Error('no')) : n.address('a.x')),
    };
    const clock = new ManualClock();
    const checked = check(['http://late.x:1'], ['http://10.0.0.1:1'], slow, clock);
    for (let i = 1; i < 4; i++) {
      await expect.poll(() => asked).toBe(i);
      clock.advance(1000);
    }
    await expect(checked).resolves.toBeUndefined();
    const never: NameService = { ...n, address: () => Promise.reject(new Error('lookup late.x: no such host')) };
    let failed: unknown;
    const gaveUp = check(['http://late.x:1'], ['http://10.0.0.1:1'], never, clock).catch((error: unknown) => {
      failed = error;
    });
    for (let i = 0; i < 32 && failed === undefined; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1000);
    }
    await gaveUp;
    expect(String(failed)).toContain('(lookup late.x: no such host)');
  });
});
