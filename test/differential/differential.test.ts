import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quorateExists, withBundle } from '../support/quorate-process.ts';
import { etcdBinDir, NO_ETCD } from '../support/real-etcd.ts';
import type { Operation } from './operation.ts';
import { caseText, generate, type Pair, replay, shrinkFailure } from './session.ts';

/** The short run; `node test/differential/main.ts --ops 100000` is the long one. SEED and OPS choose another. */
const SEED = Number(process.env['SEED'] ?? 1);
const OPS = Number(process.env['OPS'] ?? 2_000);
const REGRESSIONS = join(import.meta.dirname, 'regressions');

const reason = etcdBinDir() === undefined ? NO_ETCD : undefined;
if (reason !== undefined) console.info(`skipped: comparison with a real etcd: ${reason}`);

async function expectNoDifference(pair: Pair, count: number, restarts: boolean): Promise<void> {
  const failure = await generate({ pair, seed: SEED, count, restarts, onProgress: () => {} });
  if (!failure) return;
  const small = await shrinkFailure(pair, failure, 60_000);
  expect.fail(`seed ${SEED}: ${small.error.message}\n${caseText(`seed ${SEED}`, small.operations)}`);
}

describe.skipIf(reason !== undefined)('the same operations', () => {
  it('give the same on two real etcds, which proves the comparison', { timeout: 120_000 }, async () => {
    await expectNoDifference(['etcd', 'etcd'], Math.min(OPS, 500), false);
    expect(SEED).toBeGreaterThanOrEqual(0);
  });

  it.skipIf(!quorateExists())('give the same on etcd and quorate', { timeout: 600_000 }, async () => {
    await withBundle(() => expectNoDifference(['etcd', 'quorate'], OPS, true));
    expect(OPS).toBeGreaterThan(0);
  });

  for (const file of readdirSync(REGRESSIONS).filter((name) => name.endsWith('.json'))) {
    it.skipIf(!quorateExists())(`gave a difference once: ${file}`, { timeout: 60_000 }, async () => {
      const { operations } = JSON.parse(readFileSync(join(REGRESSIONS, file), 'utf8')) as { operations: Operation[] };
      expect(operations.length).toBeGreaterThan(0);
      expect((await replay(['etcd', 'quorate'], operations))?.error.message).toBeUndefined();
    });
  }
});
