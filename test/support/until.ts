import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` is true; for hooks and helpers, where expect.poll cannot be used. What it throws counts as false. */
export async function until(what: string, condition: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
    await sleep(50);
  }
}
