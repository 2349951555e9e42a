import type { SeededRandom } from '../../../src/base/random.ts';
import type { ServerKind } from '../../support/server-process.ts';
import type { FaultCluster, Member } from '../cluster.ts';
import type { Network } from '../network/network.ts';

/** What a fault works on. */
export interface Scene {
  readonly cluster: FaultCluster;
  /** From the round's seed: what is drawn from it is the same every time. */
  readonly random: SeededRandom;
  /** How long the fault lasts. */
  readonly forMs: number;
  /** Notes what was done to whom. */
  readonly note: (what: string) => void;
}

export interface Environment {
  readonly kind: ServerKind;
  readonly network: Pick<Network, 'kind' | 'conditions'>;
}

export interface Fault {
  readonly name: string;
  /** Other than 1: how much longer than others it lasts. */
  readonly lasts?: number;
  /** It stops or replaces processes: not two of these at the same time. */
  readonly takesMembers: boolean;
  /** Why it cannot be made here; undefined when it can. */
  readonly missing?: (environment: Environment) => string | undefined;
  /** Makes the fault, waits, and undoes it; members may be on their way back when it resolves. */
  readonly make: (scene: Scene) => Promise<void>;
}

/** The leader half of the time, else any. */
export async function victim({ cluster, random }: Scene): Promise<Member> {
  const wantsLeader = random.below(2) === 0;
  const index = random.below(cluster.members.length);
  const leader = wantsLeader ? await cluster.probablyLeader() : undefined;
  return leader ?? (cluster.members[index] as Member);
}

export function others(cluster: FaultCluster, ...without: readonly Member[]): Member[] {
  return cluster.members.filter((member) => !without.includes(member));
}

/** As many as can fail without harm, at random. */
export function minority({ cluster, random }: Scene): Member[] {
  const members = [...cluster.members];
  const chosen: Member[] = [];
  const count = (members.length - 1) >> 1;
  while (chosen.length < count) chosen.push(...members.splice(random.below(members.length), 1));
  return chosen;
}

export function named(members: readonly Member[]): string {
  return members.map(({ name }) => name).join('+');
}
