/** The image by itself: what is in it, how it runs, and that it takes the place of etcd's. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePki } from '../../scripts/kind/pki.ts';
import { http } from '../support/http.ts';
import { RawClient } from '../support/raw-client.ts';
import { etcdBinDir, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import { text } from '../support/values.ts';
import { docker, image, inspect, NO_ENGINE } from './support/engine.ts';

const SIZE_MAX_MB = 170;
const HEALTHY_MS = 60_000;

describe.skipIf(NO_ENGINE !== undefined)('the image', { timeout: 120_000 }, () => {
  let tag = '';

  beforeAll(async () => {
    tag = await image();
  }, 600_000);

  const version = (...entrypoint: string[]): Promise<string> => docker('run', '--rm', ...entrypoint, tag, '--version');

  test('answers --version as quorate and as etcd', async () => {
    const manifest = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
      version: string;
    };
    const said = await version();
    expect(said).toMatch(/^etcd Version: 3\.6\.\d+\n/);
    expect(said).toContain(`quorate Version: ${manifest.version}\n`);
    expect(await version('--entrypoint', 'etcd')).toBe(said);
    expect(await version('--entrypoint', '/usr/local/bin/etcd')).toBe(said);
  });

  test('is small and has neither a shell nor a package manager', async () => {
    expect(Number(await inspect(tag, '{{.Size}}')) / 1e6).toBeLessThan(SIZE_MAX_MB);
    for (const program of ['sh', '/bin/sh', 'npm', 'apt-get']) {
      await expect(docker('run', '--rm', '--entrypoint', program, tag, '--version')).rejects.toThrow(
        /executable file not found|no such file/,
      );
    }
  });

  describe('without arguments', () => {
    let container: StartedTestContainer;
    let url = '';

    beforeAll(async () => {
      container = await new GenericContainer(tag)
        .withExposedPorts(2379, 2381)
        .withWaitStrategy(Wait.forHttp('/readyz', 2381))
        .start();
      url = `http://${container.getHost()}:${container.getMappedPort(2379)}`;
    }, 120_000);

    afterAll(async () => {
      await docker('rm', '--force', '--volumes', container.getId());
    });

    test('serves clients, health and metrics', async () => {
      const client = new RawClient(url.slice('http://'.length));
      await client.put({ key: 'greeting', value: 'hello' });
      expect(text((await client.range({ key: 'greeting' })).kvs[0]?.value ?? new Uint8Array())).toBe('hello');
      client.close();
      const apart = `http://${container.getHost()}:${container.getMappedPort(2381)}`;
      expect((await http(`${apart}/livez`)).body.trim()).toBe('ok');
      expect((await http(`${apart}/health?serializable=true`)).body).toContain('"health":"true"');
      expect((await http(`${apart}/metrics`)).body).toContain('etcd_server_has_leader 1');
      expect((await http(`${url}/version`)).body).toMatch(/"etcdserver":"3\.6\.\d+"/);
    });

    test('runs as a user without rights, whose data are in the volume', async () => {
      const id = container.getId();
      expect(await inspect(id, '{{.Config.User}}')).toBe('65532:65532');
      expect(await inspect(id, '{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}')).toBe('volume /var/lib/quorate');
      const status = await docker('exec', id, 'node', '-p', 'fs.statSync("/var/lib/quorate/default.etcd/member").uid');
      expect(status).toBe('65532');
    });

    test('is found healthy by its own check', async () => {
      const id = container.getId();
      expect(await docker('exec', id, 'quorate', 'health', '--of-process', '1')).toBe('ok');
      await expect
        .poll(() => inspect(id, '{{.State.Health.Status}}'), { timeout: HEALTHY_MS, interval: 500 })
        .toBe('healthy');
      await expect(docker('exec', id, 'quorate', 'health', '--url', 'http://127.0.0.1:1')).rejects.toThrow(
        'ECONNREFUSED',
      );
    });

    test('ends at SIGTERM by itself, with exit code 0', async () => {
      const id = container.getId();
      await docker('stop', '--time', '20', id);
      expect(await inspect(id, '{{.State.ExitCode}}')).toBe('0');
      expect(await docker('logs', '--tail', '20', id)).toContain('received signal; shutting down');
    });
  });

  test('serves its dashboard where that is asked for', async () => {
    const name = `quorate-ui-${randomUUID()}`;
    try {
      await docker('run', '--detach', '--name', name, tag, '--enable-ui');
      const page = ['exec', name, 'quorate', 'health', '--url', 'http://127.0.0.1:2379/ui/'];
      await expect.poll(() => docker(...page), { timeout: 60_000, interval: 500 }).toContain('<html');
    } finally {
      await docker('rm', '--force', '--volumes', name);
    }
  });

  describe('for kubeadm', () => {
    const name = `quorate-kubeadm-${randomUUID()}`;
    let dir = '';

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kubeadm-'));
      await ensurePki({ ...PKI_PLAN, dir: join(dir, 'pki') });
    });

    afterAll(async () => {
      await docker('rm', '--force', name);
      await rm(dir, { recursive: true });
    });

    /** As the kubelet would, from kubeadm's manifest. */
    async function start(): Promise<void> {
      const pki = join(dir, 'pki', 'node-etcd-1');
      const volumes = ['--volume', `${dir}/data:/var/lib/etcd`, '--volume', `${pki}:/etc/kubernetes/pki/etcd:ro`];
      const flags = ['--detach', '--name', name, ...volumes, '--entrypoint', 'etcd'];
      await docker('run', ...flags, await image('kubeadm'), ...KUBEADM_FLAGS);
      const ready = ['exec', name, 'quorate', 'health', '--url', 'http://127.0.0.1:2381/readyz'];
      await expect.poll(() => docker(...ready), { timeout: 60_000, interval: 500 }).toBe('ok');
    }

    /** With a certificate, or without. */
    const get = (key: string, withCertificate = true): Promise<string> => {
      const program = `
        const file = (name) => require('node:fs').readFileSync('/etc/kubernetes/pki/etcd/' + name);
        const options = { method: 'POST', ca: file('ca.crt') };
        if (${withCertificate}) Object.assign(options, { cert: file('peer.crt'), key: file('peer.key') });
        const request = require('node:https').request('https://127.0.0.1:2379/v3/kv/range', options, (response) => {
          response.on('data', (body) => console.log(atob(JSON.parse(body).kvs[0].value)));
        });
        request.end(JSON.stringify({ key: btoa(${JSON.stringify(key)}) }));`;
      return docker('exec', name, 'node', '--eval', program);
    };

    test('it runs with the command line of its static pod, on a directory of root', async () => {
      await start();
      expect(await docker('exec', name, 'quorate', 'health', '--url', 'http://127.0.0.1:2381/livez')).toBe('ok');
      expect(await docker('exec', name, 'quorate', 'health', '--of-process', '1')).toBe('ok');
      await docker('rm', '--force', name);
    });

    const hasEtcd = etcdBinDir() !== undefined;
    if (!hasEtcd) console.warn(`skipped: ${NO_ETCD}`);

    test.skipIf(!hasEtcd)('and goes on with the data of the etcd that was there', async () => {
      await rm(join(dir, 'data'), { recursive: true });
      const etcd = await startEtcd({ name: 'node-1', dataDir: join(dir, 'data') });
      const client = new RawClient(etcd.endpoint);
      await client.put({ key: '/registry/namespaces/default', value: 'kept' });
      client.close();
      etcd.signal('SIGTERM');
      await etcd.exited();
      await start();
      expect(await get('/registry/namespaces/default')).toBe('kept');
      await expect(get('/registry/namespaces/default', false)).rejects.toThrow(
        /certificate required|ECONNRESET|hang up/,
      );
    });
  });
});

/** Its certificates; the image gets those of the one member. */
const PKI_PLAN = { name: 'node', size: 1, tls: true, network: '', image: '' };

const PKI = '/etc/kubernetes/pki/etcd';

/** As kubeadm 1.36 writes them. */
const KUBEADM_FLAGS = [
  '--advertise-client-urls=https://127.0.0.1:2379',
  `--cert-file=${PKI}/server.crt`,
  '--client-cert-auth=true',
  '--data-dir=/var/lib/etcd',
  '--feature-gates=InitialCorruptCheck=true',
  '--initial-advertise-peer-urls=https://127.0.0.1:2380',
  '--initial-cluster=node-1=https://127.0.0.1:2380',
  `--key-file=${PKI}/server.key`,
  '--listen-client-urls=https://127.0.0.1:2379',
  '--listen-metrics-urls=http://127.0.0.1:2381',
  '--listen-peer-urls=https://127.0.0.1:2380',
  '--name=node-1',
  `--peer-cert-file=${PKI}/peer.crt`,
  '--peer-client-cert-auth=true',
  `--peer-key-file=${PKI}/peer.key`,
  `--peer-trusted-ca-file=${PKI}/ca.crt`,
  '--snapshot-count=10000',
  `--trusted-ca-file=${PKI}/ca.crt`,
  '--watch-progress-notify-interval=5s',
];
