import { expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { targetKinds } from '../../support/target.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import { Side } from './run.ts';

/** A busy machine may need all of it; a quiet one is done in a few seconds. */
const DEADLINE_MS = 20_000;
const EVENTS_WANTED = 1_500;

for (const kind of targetKinds()) {
  const reason = kind === 'etcd' && etcdBinDir() === undefined ? NO_ETCD : undefined;
  if (reason !== undefined) console.info(`skipped: API servers on ${kind}: ${reason}`);
  it.skipIf(reason !== undefined)(
    `two API servers with all their resource types find nothing wrong, also over a crash [${kind}]`,
    { timeout: 10 * DEADLINE_MS },
    async () => {
      const options = { members: 1, apiServers: 2, workers: 12, compactEveryMs: 1_500, seed: 7, say: () => undefined };
      const side = await Side.start(kind, options);
      try {
        const { model } = side;
        const deadlineMs = performance.now() + DEADLINE_MS;
        const isDone = (): boolean =>
          model.checkedEvents >= EVENTS_WANTED &&
          model.figures.compactions >= 2 &&
          model.figures.latencies.list.count > 60;
        await model.traffic(400, async () => {
          while (!isDone() && performance.now() < deadlineMs) await sleep(100);
        });
        await side.round(1_000, 300, 1);
        expect(model.findings.told).toEqual([]);
        expect(model.checkedEvents).toBeGreaterThan(100);
        expect(model.figures.compactions).toBeGreaterThan(0);
        expect(model.figures.resumed).toBeGreaterThan(0);
      } finally {
        await side.stop();
      }
    },
  );
}
