/** The pods of deploy/kubernetes/statefulset.yaml as containers: its command lines, its user, its restrictions, names as in Kubernetes. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { docker, image, NO_ENGINE } from './support/engine.ts';

const PODS = ['quorate-0', 'quorate-1', 'quorate-2'];

interface StatefulSet {
  readonly kind: string;
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { args: string[] }[] } } };
}

function podArguments(pod: string): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../deploy/kubernetes/statefulset.yaml'), 'utf8');
  const resources = parseAllDocuments(text).map((document) => document.toJS() as StatefulSet);
  const set = resources.find(({ kind }) => kind === 'StatefulSet');
  const args = set?.spec.template.spec.containers[0]?.args ?? [];
  return args.map((arg) => arg.replaceAll('$(POD_NAME)', pod).replaceAll('$(NAMESPACE)', 'default'));
}

describe.skipIf(NO_ENGINE !== undefined)('the pods of the StatefulSet', { timeout: 120_000 }, () => {
  const network = `statefulset-${randomUUID()}`;
  const containerOf = (pod: string): string => `${network}-${pod}`;

  beforeAll(async () => {
    const tag = await image();
    await docker('network', 'create', network);
    const start = (pod: string): Promise<string> => {
      const names = ['--name', containerOf(pod), '--network-alias', `${pod}.quorate-peers.default.svc`];
      const limits = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--memory', '2g'];
      return docker('run', '--detach', ...names, '--network', network, ...limits, tag, ...podArguments(pod));
    };
    await Promise.all(PODS.map(start));
  }, 600_000);

  afterAll(async () => {
    await docker('rm', '--force', '--volumes', ...PODS.map(containerOf));
    await docker('network', 'rm', network);
  });

  test('become ready by the probes, and one cluster', async () => {
    for (const pod of PODS) {
      for (const path of ['livez', 'readyz']) {
        const probe = ['exec', containerOf(pod), 'quorate', 'health', '--url', `http://127.0.0.1:2381/${path}`];
        await expect.poll(() => docker(...probe), { timeout: 60_000, interval: 500 }).toBe('ok');
      }
    }
    const list = `fetch('http://quorate-2.quorate-peers.default.svc:2379/v3/cluster/member/list', { method: 'POST', body: '{}' })
      .then((answer) => answer.json()).then(({ members }) => console.log(members.map(({ name }) => name).sort().join()))`;
    expect(await docker('exec', containerOf(PODS[0] ?? ''), 'node', '--eval', list)).toBe(PODS.join());
  });
});
