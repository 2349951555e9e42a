/**
 * What a follower does when the process of its leader has ended: it need not wait for an election timeout of silence to stand
 * for election. The voters do so one after the other, in the order of their ids, so that they do not split the votes.
 *
 * Nothing rests on the news being true. Members that still hear from the leader refuse the pre-vote, and the leader's next
 * heartbeat makes it known here again.
 */
import type { Clock } from '../ports/clock.ts';
import { isVoter } from '../raft/configuration.ts';
import type { Raft } from '../raft/raft.ts';
import { NONE } from '../raft/types.ts';

/** For the others to have heard of it too: until then they would stick to the leader. */
const NOTICE_MS = 20;
/** For an election, before the next one stands. */
const HEAD_START_MS = 100;

export interface SuccessionParts {
  readonly raft: Raft;
  readonly clock: Clock;
  /** Raft has changed. */
  readonly onChange: () => void;
}

export class Succession {
  readonly #parts: SuccessionParts;
  #cancel: (() => void) | undefined;

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  /** The process of this member has ended, as far as can be told from here. */
  gone(id: bigint): void {
    const { raft, clock, onChange } = this.#parts;
    const { configuration, term } = raft;
    if (raft.role !== 'follower' || raft.leader !== id) return;
    raft.forgetLeader();
    onChange();
    if (!isVoter(configuration, raft.id)) return;
    const voters = new Set([...configuration.voters, ...configuration.votersOutgoing]);
    const before = [...voters].filter((voter) => voter !== id && voter < raft.id).length;
    this.#cancel?.();
    this.#cancel = clock.after(NOTICE_MS + before * HEAD_START_MS, () => {
      if (raft.leader !== NONE || raft.term !== term || raft.role !== 'follower') return;
      raft.campaign();
      onChange();
    });
  }

  stop(): void {
    this.#cancel?.();
  }
}
