import { assert } from '../base/assert.ts';
import type { ConfState } from '../gen/raftpb.ts';

type Ids = ReadonlySet<bigint>;

/**
 * Who votes and who listens. Joint when votersOutgoing is not empty: decisions then need a majority of voters and one of
 * votersOutgoing (dissertation §4.3).
 */
export interface Configuration {
  /** The configuration, or, while joint, the one being entered. */
  readonly voters: Ids;
  /** While joint: the configuration being left. */
  readonly votersOutgoing: Ids;
  /** Receive the log and never vote. */
  readonly learners: Ids;
  /** Voters of votersOutgoing that turn into learners when the joint configuration is left. */
  readonly learnersNext: Ids;
  /** While joint: the leader leaves it by itself as soon as entering it is applied. */
  readonly autoLeave: boolean;
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.size > 0;
}

export function isVoter(configuration: Configuration, id: bigint): boolean {
  return configuration.voters.has(id) || configuration.votersOutgoing.has(id);
}

/** Everyone who takes part, each once. */
export function members(configuration: Configuration): Set<bigint> {
  return new Set([...configuration.voters, ...configuration.votersOutgoing, ...configuration.learners]);
}

/** The only voter is `id`: it decides alone. */
export function isSoleVoter(configuration: Configuration, id: bigint): boolean {
  return configuration.voters.size === 1 && configuration.voters.has(id) && !isJoint(configuration);
}

export function configurationFrom(state: ConfState): Configuration {
  const configuration = {
    voters: new Set(state.voters),
    votersOutgoing: new Set(state.votersOutgoing),
    learners: new Set(state.learners),
    learnersNext: new Set(state.learnersNext),
    autoLeave: state.autoLeave,
  };
  checkConfiguration(configuration);
  return configuration;
}

/** Ids ascending, as etcd writes them. */
export function confStateOf(configuration: Configuration): ConfState {
  return {
    voters: ascending(configuration.voters),
    learners: ascending(configuration.learners),
    votersOutgoing: ascending(configuration.votersOutgoing),
    learnersNext: ascending(configuration.learnersNext),
    autoLeave: configuration.autoLeave,
  };
}

/** A learner is no voter; learnersNext are leaving voters; a configuration that is not joint has none of the joint parts. */
export function checkConfiguration(configuration: Configuration): void {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  for (const id of learners) assert(!isVoter(configuration, id), 'a learner is also a voter', { id });
  for (const id of learnersNext) {
    assert(votersOutgoing.has(id) && !voters.has(id), 'the next learner is not a leaving voter', { id });
  }
  if (!isJoint(configuration)) {
    assert(learnersNext.size === 0 && !configuration.autoLeave, 'parts of a joint configuration without one');
  } else {
    assert(voters.size > 0, 'a joint configuration without incoming voters');
  }
}

function ascending(ids: Ids): bigint[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
