import { SeededRandom } from '../../../src/base/random.ts';
import { startQuorate } from '../../support/quorate-process.ts';
import { RawClient } from '../../support/raw-client.ts';
import { startEtcd } from '../../support/real-etcd.ts';
import type { ServerKind } from '../../support/server-process.ts';
import { Load } from './load.ts';
import { CrashVerifier, type RoundReport } from './verify.ts';

export interface CrashOptions {
  readonly kind: ServerKind;
  readonly rounds: number;
  readonly seed: number;
  readonly onRound?: (round: number, report: RoundReport) => void;
}

export interface CrashSummary {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly unacknowledgedKept: number;
  readonly revision: number;
  readonly seconds: number;
}

const WRITERS = 12;
/** The longest that a round writes before the kill. */
const LOAD_MS = 120;

/**
 * Rounds of load, kill -9 at a random moment, restart and check, on one data directory. Throws at the first loss, with the
 * round and the seed that give it again as far as chance allows.
 */
export async function crashLoop(options: CrashOptions): Promise<CrashSummary> {
  const random = new SeededRandom(options.seed);
  const server = await (options.kind === 'etcd' ? startEtcd() : startQuorate());
  const verifier = new CrashVerifier();
  const began = Date.now();
  let [acknowledged, unacknowledgedKept, nextId] = [0, 0, 0];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const load = new Load(random.below(2 ** 32), nextId, verifier.model.revision);
      const running = load.run(server.endpoint, WRITERS);
      await killAtSomeMoment(random, load, () => server.kill());
      load.stop();
      const result = await running;
      nextId += result.writes.length;
      await server.restart();
      const client = new RawClient(server.endpoint);
      const report = await verifier.check(client, result).catch((error: unknown) => {
        throw new Error(`round ${round} of seed ${options.seed}`, { cause: error });
      });
      client.close();
      acknowledged += report.acknowledged;
      unacknowledgedKept += report.unacknowledgedKept;
      options.onRound?.(round, report);
    }
  } finally {
    await server.stop();
  }
  const seconds = (Date.now() - began) / 1000;
  return { rounds: options.rounds, acknowledged, unacknowledgedKept, revision: verifier.model.revision, seconds };
}

/** A random time after the first acknowledgements, so that no round is without any. */
async function killAtSomeMoment(random: SeededRandom, load: Load, kill: () => Promise<void>): Promise<void> {
  const wanted = 1 + random.below(40);
  const deadline = Date.now() + 5_000;
  while (load.acknowledged < wanted && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, random.below(LOAD_MS)));
  await kill();
}
