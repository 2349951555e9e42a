/** What scripts/kind-up would hand to Docker and Kind, and the certificates that it makes. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ensurePki } from '../../../scripts/kind/pki.ts';
import {
  apiServerPki,
  kindConfig,
  type KindPlan,
  memberFlags,
  memberNames,
  memberPki,
  runArguments,
  templateFile,
} from '../../../scripts/kind/plan.ts';
import { parseCommandLine } from '../../../src/config/command-line.ts';

const REPO = join(import.meta.dirname, '../../..');
const dir = mkdtempSync(join(tmpdir(), 'quorate-kind-'));

afterAll(() => rmSync(dir, { recursive: true }));

function plan(more: Partial<KindPlan> = {}): KindPlan {
  return { name: 'quorate', size: 1, tls: false, dir, network: 'kind', image: 'quorate', ...more };
}

function template(one: KindPlan): string {
  return readFileSync(join(REPO, templateFile(one)), 'utf8');
}

interface KindConfig {
  readonly name: string;
  readonly nodes: readonly {
    extraMounts?: readonly { hostPath: string; containerPath: string; readOnly: boolean }[];
  }[];
  readonly kubeadmConfigPatches: readonly string[];
}

interface ExternalEtcd {
  readonly endpoints: readonly string[];
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

function external(config: KindConfig): ExternalEtcd {
  expect(config.kubeadmConfigPatches).toHaveLength(1);
  const patch = parse(config.kubeadmConfigPatches[0] ?? '') as { kind: string; etcd: { external: ExternalEtcd } };
  expect(patch.kind).toBe('ClusterConfiguration');
  return patch.etcd.external;
}

describe('the configuration for Kind', () => {
  test.each([false, true])('as it stands in the repository is that of one member (TLS: %j)', (tls) => {
    const one = plan({ tls, dir: '.cache/kind/quorate' });
    expect(parse(kindConfig(one, template(one)))).toEqual(parse(template(one)));
  });

  test('of three members names all of them', () => {
    const three = plan({ name: 'three', size: 3 });
    const config = parse(kindConfig(three, template(three))) as KindConfig;
    expect(config.name).toBe('three');
    expect(external(config).endpoints).toEqual([1, 2, 3].map((i) => `http://three-etcd-${i}:2379`));
  });

  test('with certificates mounts the files that kubeadm is told of', async () => {
    const secure = plan({ name: 'secure', tls: true, dir: join(dir, 'mounts') });
    await ensurePki(secure);
    const config = parse(kindConfig(secure, template(secure))) as KindConfig;
    const { endpoints, caFile, certFile, keyFile } = external(config);
    expect(endpoints).toEqual(['https://secure-etcd-1:2379']);
    const mounts = config.nodes[0]?.extraMounts ?? [];
    expect(mounts.map(({ containerPath }) => containerPath)).toEqual([caFile, certFile, keyFile]);
    for (const { hostPath, readOnly } of mounts) {
      expect(statSync(hostPath).isFile()).toBe(true);
      expect(readOnly).toBe(true);
    }
  });
});

describe('a member', () => {
  test.each([plan(), plan({ size: 3 }), plan({ size: 3, tls: true })])(
    'is given flags that the server takes without a warning ($size members, TLS: $tls)',
    (one) => {
      for (const member of memberNames(one)) {
        const command = parseCommandLine(memberFlags(one, member), {}, () => '');
        if (command.kind !== 'run') throw new Error(JSON.stringify(command));
        expect(command.warnings).toEqual([]);
        expect(command.config.initialCluster).toHaveLength(one.size);
        expect(command.config.clientTls?.requiresCertificate ?? false).toBe(one.tls);
        expect(command.config.peerTls?.requiresCertificate ?? false).toBe(one.tls);
      }
    },
  );

  test('runs on the network of Kind, with a volume of its own', () => {
    const args = runArguments(plan({ network: 'elsewhere' }), 'quorate-etcd-1');
    expect(args.slice(0, args.indexOf('quorate'))).toEqual([
      ...'run --detach --name quorate-etcd-1 --network elsewhere --restart unless-stopped'.split(' '),
      '--volume',
      'quorate-etcd-1:/var/lib/quorate',
    ]);
  });
});

describe('certificates', () => {
  const three = plan({ size: 3, tls: true, dir: join(dir, 'certificates') });
  const read = (folder: string, name: string): X509Certificate =>
    new X509Certificate(readFileSync(join(folder, `${name}.crt`)));

  test('name each member, and vouch for nobody else', async () => {
    await ensurePki(three);
    const authority = read(apiServerPki(three), 'ca');
    for (const member of memberNames(three)) {
      const folder = memberPki(three, member);
      expect(read(folder, 'ca').fingerprint256).toBe(authority.fingerprint256);
      for (const name of ['server', 'peer']) {
        const certificate = read(folder, name);
        expect(certificate.verify(authority.publicKey)).toBe(true);
        expect(certificate.subjectAltName).toBe(`DNS:${member}, DNS:localhost, IP Address:127.0.0.1`);
        expect(certificate.ca).toBe(false);
        expect(statSync(join(folder, `${name}.key`)).mode & 0o777).toBe(0o600);
      }
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    }
    const client = read(apiServerPki(three), 'client');
    expect(client.verify(authority.publicKey)).toBe(true);
    expect(client.subject).toBe('CN=kube-apiserver-etcd-client');
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  test('stay when they are there', async () => {
    const before = read(apiServerPki(three), 'client').fingerprint256;
    await ensurePki(three);
    expect(read(apiServerPki(three), 'client').fingerprint256).toBe(before);
  });
});
