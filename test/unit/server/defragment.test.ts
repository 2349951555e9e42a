import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { Caller } from '../../../src/server/caller.ts';
import type { ServerCore } from '../../../src/server/core.ts';
import type { Flusher } from '../../../src/server/flusher.ts';
import { MaintenanceApi } from '../../../src/server/maintenance-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

test.each([undefined, new Error('no space left')])(
  'whoever asks is told when it begins and ends: %s',
  async (error) => {
    const seen: unknown[] = [];
    const flusher = { flush: (done: () => void) => done(), hold: (ready: () => void) => ready(), release: () => {} };
    const parts = {
      authenticator: { requireAdmin: () => Promise.resolve() },
      backend: {
        sizeBytes: () => 1,
        defragment: (done: (error: Error | undefined) => void) => {
          seen.push('defragment');
          done(error);
        },
      },
      store: { buffer: { refreshBase: () => {} } },
      logger: silentLogger,
      clock: new ManualClock(),
    };
    const core = { parts } as unknown as ServerCore;
    const api = new MaintenanceApi(core, flusher as unknown as Flusher, undefined, (isUnderWay) =>
      seen.push(isUnderWay),
    );
    const outcome = await api.defragment({} as Caller).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(outcome).toBe(error);
    await Promise.resolve();
    expect(seen).toEqual([true, 'defragment', false]);
  },
);
