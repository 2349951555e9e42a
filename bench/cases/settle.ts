import type { Client } from '../load/client.ts';
import type { H2loadResult, H2loadRun } from '../load/h2load.ts';

const SETTLE_MS = 50;

/** The revision once it does not move any more: a load that ended by time left requests behind. */
export async function settled(client: Client): Promise<number> {
  for (let last = await client.revision(); ;) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const now = await client.revision();
    if (now === last) return now;
    last = now;
  }
}

/** How many requests make a load of about `loadMs`, by what the warm-up did. */
export function requestsFor(warmup: H2loadResult, load: H2loadRun, loadMs: number): number {
  const requests = Math.round((warmup.summary.requestsPerSecond * loadMs) / 1000);
  return Math.max(requests, 4 * load.connections * load.streamsPerConnection);
}
