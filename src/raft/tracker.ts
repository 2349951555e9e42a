import type { Configuration } from './configuration.ts';
import { isVoter, members } from './configuration.ts';
import { Inflights } from './inflights.ts';
import { Progress } from './progress.ts';
import { jointIndex, jointVote, type VoteResult } from './quorum.ts';

/** The configuration in force, the leader's progress per member, and the votes of the election under way. */
export class Tracker {
  #configuration: Configuration;
  /** Exactly the members of the configuration. Meaningful on a leader; elsewhere it only says who is a member. */
  readonly progress = new Map<bigint, Progress>();
  readonly #votes = new Map<bigint, boolean>();
  readonly #inflightMessagesMax: number;
  readonly #inflightBytesMax: number;

  constructor(
    configuration: Configuration,
    lastIndex: number,
    limits: { inflightMessagesMax: number; inflightBytesMax: number },
  ) {
    this.#configuration = configuration;
    this.#inflightMessagesMax = limits.inflightMessagesMax;
    this.#inflightBytesMax = limits.inflightBytesMax;
    this.setConfiguration(configuration, lastIndex);
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** New members are probed from the last entry on: an empty log answers where it really ends. */
  setConfiguration(configuration: Configuration, lastIndex: number): void {
    this.#configuration = configuration;
    const present = members(configuration);
    for (const id of this.progress.keys()) if (!present.has(id)) this.progress.delete(id);
    for (const id of present) {
      if (this.progress.has(id)) continue;
      const progress = this.#newProgress(Math.max(lastIndex, 1));
      // Counts as heard from, so that the next quorum check does not depose the leader before the newcomer could answer.
      progress.recentActive = true;
      this.progress.set(id, progress);
    }
  }

  /** Forgets what is known of all members, also the inflight windows' memory. */
  reset(lastIndex: number): void {
    this.#votes.clear();
    for (const progress of this.progress.values()) progress.reset(lastIndex);
  }

  isVoter(id: bigint): boolean {
    return isVoter(this.#configuration, id);
  }

  isMember(id: bigint): boolean {
    return this.progress.has(id);
  }

  /** The highest index that a quorum holds durably. */
  quorumMatch(): number {
    return this.quorumIndex((id) => this.progress.get(id)?.match ?? 0);
  }

  /** The highest value that a quorum of voters has reached. */
  quorumIndex(reached: (id: bigint) => number): number {
    return jointIndex(this.#configuration.voters, this.#configuration.votersOutgoing, reached);
  }

  /** Whether a quorum was heard from since the last call; starts the next period. `self` always counts. */
  takeQuorumActive(self: bigint): boolean {
    const active = this.#tally((id) => id === self || this.progress.get(id)?.recentActive === true) === 'won';
    for (const progress of this.progress.values()) progress.recentActive = false;
    return active;
  }

  clearVotes(): void {
    this.#votes.clear();
  }

  /** A member's first answer counts. */
  recordVote(id: bigint, granted: boolean): VoteResult {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
    return this.#tally((voter) => this.#votes.get(voter));
  }

  #tally(voteOf: (id: bigint) => boolean | undefined): VoteResult {
    return jointVote(this.#configuration.voters, this.#configuration.votersOutgoing, voteOf);
  }

  #newProgress(next: number): Progress {
    return new Progress(next, new Inflights(this.#inflightMessagesMax, this.#inflightBytesMax));
  }
}
