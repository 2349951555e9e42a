/** Mistakes that are put into the source itself as it is loaded: each is what somebody could have written. */

interface Edit {
  readonly file: string;
  /** Stands there exactly once. */
  readonly before: string;
  readonly after: string;
}

export interface SourceMutation {
  readonly name: string;
  readonly edits: readonly Edit[];
}

export const SOURCE_MUTATIONS: readonly SourceMutation[] = [
  mutation('an entry of an earlier term is committed by counting', {
    file: 'src/raft/replication.ts',
    before: ' || !log.holds(index, state.term)) return false;',
    after: ') return false;',
  }),
  mutation('a candidate without all that is committed is elected', {
    file: 'src/raft/elections.ts',
    before: 'const granted = free && state.log.isUpToDate(message.index, message.logTerm);',
    after: 'const granted = free;',
  }),
  mutation('a member votes twice in a term', {
    file: 'src/raft/elections.ts',
    before: '(state.vote === NONE && state.leader === NONE) ||',
    after: 'state.leader === NONE ||',
  }),
  mutation('a vote is promised before it is durable', {
    file: 'src/raft/raft-state.ts',
    before: '      case MessageType.MsgAppResp:\n      case MessageType.MsgVoteResp:\n',
    after: '      case MessageType.MsgVoteResp:\n        return false;\n      case MessageType.MsgAppResp:\n',
  }),
  mutation('entries are acknowledged to the leader before they are durable', {
    file: 'src/raft/raft-state.ts',
    before: '      case MessageType.MsgAppResp:\n      case MessageType.MsgVoteResp:\n',
    after: '      case MessageType.MsgAppResp:\n        return false;\n      case MessageType.MsgVoteResp:\n',
  }),
  mutation('a leader counts its own entries before they are durable', {
    file: 'src/raft/replication.ts',
    before: 'if (state.tracker.progress.get(state.id)?.update(state.log.durable) === true)',
    after: 'if (state.tracker.progress.get(state.id)?.update(state.log.lastIndex) === true)',
  }),
  mutation('entries are taken over without a look at what is before them', {
    file: 'src/raft/raft-log.ts',
    before: 'if (!this.holds(previous.index, previous.term)) return undefined;',
    after: 'if (previous.index > this.lastIndex) return undefined;',
  }),
  mutation('a late append cuts off what came after it', {
    file: 'src/raft/raft-log.ts',
    before: '    if (known < entries.length) {\n',
    after: `    const end = previous.index + known;
    if (known > 0 && known === entries.length && end >= this.#committed && end < this.lastIndex) this.#truncateFrom(end + 1);
    if (known < entries.length) {\n`,
  }),
  mutation(
    'a follower cuts off what is committed',
    {
      file: 'src/raft/following.ts',
      before: 'if (index < log.committed) return accept(state, message.from, log.committed);',
      after: '',
    },
    {
      file: 'src/raft/raft-log.ts',
      before: "    assert(index > this.#committed, 'a committed entry conflicts with the leader', {",
      after: "    assert(true, '', {",
    },
    {
      file: 'src/raft/raft-log.ts',
      before: '    if (known < entries.length) {\n',
      after: `    const end = previous.index + known;
    if (known > 0 && known === entries.length && end < this.lastIndex) this.#truncateFrom(end + 1);
    if (known < entries.length) {\n`,
    },
  ),
  mutation('a learner counts when entries are committed', {
    file: 'src/raft/tracker.ts',
    before: 'return jointIndex(this.#configuration.voters,',
    after: 'return jointIndex(new Set([...this.#configuration.voters, ...this.#configuration.learners]),',
  }),
  mutation(
    'a learner votes and is elected',
    {
      file: 'src/raft/tracker.ts',
      before: 'return isVoter(this.#configuration, id);',
      after: 'return this.progress.has(id);',
    },
    {
      file: 'src/raft/tracker.ts',
      before: 'return jointVote(this.#configuration.voters,',
      after: 'return jointVote(new Set(this.progress.keys()),',
    },
  ),
  mutation(
    'two changes of the members are under way at once',
    {
      file: 'src/raft/proposals.ts',
      before: "  if (state.pendingConfIndex > state.log.applied) return 'conf-change-pending';\n",
      after: '',
    },
    {
      file: 'src/raft/proposals.ts',
      before: 'change === undefined || pendingConfIndex > state.log.applied ||',
      after: 'change === undefined ||',
    },
  ),
  mutation('a change of the members is in force when it is proposed', {
    file: 'src/raft/proposals.ts',
    before: "if (outcome === 'accepted') state.pendingConfIndex = state.log.lastIndex;",
    after: `if (outcome === 'accepted') {
    state.pendingConfIndex = state.log.lastIndex;
    state.tracker.setConfiguration(applyConfChange(state.tracker.configuration, change), state.log.lastIndex);
  }`,
  }),
  mutation('a read is confirmed by the leader alone', {
    file: 'src/raft/reads.ts',
    before: 'const round = state.tracker.quorumIndex((id) => state.readOnly.answeredRound(id));',
    after: 'const { round } = state.readOnly;',
  }),
  mutation('a new leader answers reads before it knows what is committed', {
    file: 'src/raft/reads.ts',
    before: 'if (!state.committedInTerm) state.earlyReads.push(read);\n  else confirm(state, read);',
    after: 'confirm(state, read);',
  }),
  mutation('a read does not wait until its index is applied', {
    file: 'src/server/read-rounds.ts',
    before: 'this.#parts.whenApplied(index, () => {',
    after: 'this.#parts.whenApplied(0, () => {',
  }),
  mutation('what a deposed leader wanted ended is passed on to the next one', {
    file: 'src/server/raft-node.ts',
    before: 'return term === undefined || (this.isLeader && this.term === term);',
    after: 'return term === term;',
  }),
  mutation('a new leader gives leases less than their time', {
    file: 'src/lease/lessor.ts',
    before: 'lease.expiryMs = nowMs + extendMs + seconds * 1000;',
    after: 'lease.expiryMs = nowMs + seconds * 500;',
  }),
  mutation(
    'a snapshot stands for a later index than its database',
    {
      file: 'src/server/snapshot-dispatch.ts',
      before: 'transport.sendSnapshot({ ...message, snapshot: { data, metadata } }, source);',
      after: `const later = { ...metadata, index: metadata.index + 1 };
      transport.sendSnapshot({ ...message, snapshot: { data, metadata: later } }, source);`,
    },
    { file: 'src/embed/incoming-snapshot.ts', before: 'checkIndex(new DatabaseReader(file), metadata);', after: '' },
  ),
  mutation('a snapshot makes a member forget its vote', {
    file: 'src/embed/open-log.ts',
    before: '{ term, vote: 0n } : { term: current, vote }',
    after: '{ term, vote: 0n } : { term: current, vote: vote & 0n }',
  }),
  mutation('a member that was removed stays', {
    file: 'src/embed/membership.ts',
    before: "logger.warn('this member was removed from the cluster');",
    after: 'return;',
  }),
];

function mutation(name: string, ...edits: readonly Edit[]): SourceMutation {
  return { name, edits };
}

/** Throws where the source is not any more what the mutation was made for. */
export function mutated({ name, edits }: SourceMutation, path: string, source: string): string {
  let text = source;
  for (const { file, before, after } of edits) {
    if (!path.endsWith(`/${file}`)) continue;
    const parts = text.split(before);
    if (parts.length !== 2) throw new Error(`mutation "${name}" fits ${parts.length - 1} times into ${file}`);
    text = parts.join(after);
  }
  return text;
}
