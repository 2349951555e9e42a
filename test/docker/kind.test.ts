/**
 * scripts/kind-up and kind-down with the real engine, and with stand-ins for kind and kubectl that only note how they were called:
 * everything up to the Kind cluster itself, which needs images that cannot be had everywhere.
 */
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { RawClient } from '../support/raw-client.ts';
import { docker, image, inspect, NO_ENGINE } from './support/engine.ts';

const REPO = join(import.meta.dirname, '../..');
const NAME = `kind-test-${randomInt(1_000_000)}`;
const STAND_IN = `#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$(basename "$0") $1 $2" in
  'kind get clusters') cat "$CALLS.clusters" ;;
  'kind create cluster') cp "$4" "$CALLS.config"; echo ${NAME} >"$CALLS.clusters" ;;
  'kind delete cluster') : >"$CALLS.clusters" ;;
esac
`;

describe.skipIf(NO_ENGINE !== undefined)('kind-up and kind-down', { timeout: 180_000 }, () => {
  let dir = '';
  let calls = '';
  let tag = '';

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kind-'));
    calls = join(dir, 'calls');
    for (const name of ['kind', 'kubectl']) await writeFile(join(dir, name), STAND_IN, { mode: 0o755 });
    await writeFile(calls, '');
    await writeFile(`${calls}.clusters`, '');
    await docker('network', 'create', NAME);
    tag = await image();
  }, 600_000);

  afterAll(async () => {
    await script('kind-down').catch(() => {});
    await docker('network', 'rm', NAME);
    await rm(dir, { recursive: true });
  });

  async function script(name: 'kind-up' | 'kind-down', ...args: string[]): Promise<string> {
    const { stdout, stderr } = await promisify(execFile)(join(REPO, 'scripts', name), ['--name', NAME, ...args], {
      env: {
        ...process.env,
        PATH: `${dir}:${process.env['PATH'] ?? ''}`,
        CALLS: calls,
        KIND_EXPERIMENTAL_DOCKER_NETWORK: NAME,
      },
    });
    return stdout + stderr;
  }

  const called = (): string[] =>
    readFileSync(calls, 'utf8')
      .split('\n')
      .filter((line) => line.includes(' '));
  const containers = async (): Promise<string[]> =>
    (await docker('ps', '--all', '--filter', `name=${NAME}-etcd`, '--format', '{{.Names}}')).split('\n').sort();

  test('up: three members with certificates, then the cluster, then its nodes', async () => {
    const said = await script('kind-up', '--tls', '--members', '3', '--image', tag);
    expect(said).toContain('done.');
    expect(await containers()).toEqual([1, 2, 3].map((i) => `${NAME}-etcd-${i}`));
    const config = join(REPO, '.cache/kind', NAME, 'kind-config.yaml');
    expect(called().filter((line) => !line.endsWith('version'))).toEqual([
      'kind get clusters',
      `kind create cluster --config ${config}`,
      `kubectl --context kind-${NAME} wait --for=condition=Ready nodes --all --timeout=180s`,
      `kubectl --context kind-${NAME} get nodes`,
    ]);
    expect(parse(readFileSync(`${calls}.config`, 'utf8'))).toMatchObject({ kind: 'Cluster', name: NAME });
  });

  /** As the API server would: by the certificate that Kind's node gets. */
  async function client(withCertificate: boolean): Promise<RawClient> {
    const pki = (file: string): Buffer => readFileSync(join(REPO, '.cache/kind', NAME, 'api-server', file));
    const address = await inspect(
      `${NAME}-etcd-2`,
      `{{(index .NetworkSettings.Networks ${JSON.stringify(NAME)}).IPAddress}}`,
    );
    const own = withCertificate ? [pki('client.key'), pki('client.crt')] : [];
    const options = { 'grpc.ssl_target_name_override': `${NAME}-etcd-2` };
    return new RawClient(`${address}:2379`, options, grpc.credentials.createSsl(pki('ca.crt'), ...own));
  }

  test('the members form a cluster that only the certificate opens', async () => {
    const apiServer = await client(true);
    await apiServer.put({ key: '/registry/x', value: 'x' });
    const { members } = await apiServer.memberList();
    expect(members.map(({ name }) => name).sort()).toEqual(await containers());
    for (const { peerURLs, clientURLs } of members) {
      expect([...peerURLs, ...clientURLs]).toEqual([
        expect.stringMatching(/^https:/),
        expect.stringMatching(/^https:/),
      ]);
    }
    apiServer.close();
    const stranger = await client(false);
    await expect(stranger.range({ key: '/registry/x' }, { timeoutMs: 3000 })).rejects.toThrow();
    stranger.close();
  });

  test('up again, with the cluster there, leaves it as it is', async () => {
    const before = called().length;
    await docker('stop', `${NAME}-etcd-1`);
    await script('kind-up', '--tls', '--members', '3', '--image', tag);
    expect(called().slice(before).join('\n')).not.toContain('create');
    const apiServer = await client(true);
    expect((await apiServer.range({ key: '/registry/x' })).count).toBe(1n);
    apiServer.close();
  });

  test('down removes containers, volumes and files', async () => {
    await script('kind-down');
    expect(called().at(-1)).toBe(`kind delete cluster --name ${NAME}`);
    expect(await containers()).toEqual(['']);
    expect(await docker('volume', 'ls', '--format', '{{.Name}}')).not.toContain(NAME);
    expect(() => readFileSync(join(REPO, '.cache/kind', NAME, 'kind-config.yaml'))).toThrow('ENOENT');
  });

  test('a program that is missing is named', async () => {
    const bin = join(dir, 'bin');
    await mkdir(bin);
    for (const program of ['bash', 'dirname', 'node', 'docker']) {
      const { stdout } = await promisify(execFile)('sh', ['-c', `command -v ${program}`]);
      await symlink(stdout.trim(), join(bin, program));
    }
    const up = promisify(execFile)('scripts/kind-up', ['--name', NAME], {
      cwd: REPO,
      env: { ...process.env, PATH: bin },
    });
    await expect(up).rejects.toThrow('kind is needed: https://');
  });
});
