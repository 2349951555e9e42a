import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findBinaries, missingIn } from './control-plane/binaries.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

function compliance(env: Record<string, string>, ...args: string[]): ReturnType<typeof spawnSync> {
  const { KUBECONFIG: _config, KUBEBUILDER_ASSETS: _assets, ...rest } = process.env;
  const command = [MAIN, ...args];
  return spawnSync(process.execPath, command, { env: { ...rest, ...env }, encoding: 'utf8', timeout: 800_000 });
}

it('without a cluster and without binaries it says how to get either', { timeout: 60_000 }, () => {
  const { status, stdout } = compliance({});
  expect(stdout).toMatch(/KUBECONFIG/);
  expect(stdout).toMatch(/KUBEBUILDER_ASSETS/);
  expect(status).toBe(3);
});

const binaries = findBinaries();
const reason =
  binaries === undefined ? 'no kube-apiserver in KUBEBUILDER_ASSETS (see docs/compliance.md)' : missingIn(binaries);
if (reason !== undefined) console.info(`skipped: the compliance list on a control plane of its own: ${reason}`);

it.skipIf(reason !== undefined)('a control plane on quorate passes the list', { timeout: 900_000 }, () => {
  const { status, stdout } = compliance(
    { KUBEBUILDER_ASSETS: process.env['KUBEBUILDER_ASSETS'] ?? '' },
    '--target=quorate',
  );
  expect(status, String(stdout)).toBe(0);
});
