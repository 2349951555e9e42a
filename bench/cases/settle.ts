import type { Client } from '../load/client.ts';
import type { H2loadResult } from '../load/h2load.ts';

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

/** How many requests each connection gets so that the load lasts about `loadMs`, by what the warm-up did. */
export function requestsFor(
  warmup: H2loadResult,
  shape: { readonly connections: number; readonly streams: number },
  loadMs: number,
): number {
  const perSecond = warmup.connections.reduce((sum, { summary }) => sum + summary.requestsPerSecond, 0);
  const each = Math.round((perSecond * loadMs) / 1000 / shape.connections);
  return Math.max(each, 4 * shape.streams);
}
