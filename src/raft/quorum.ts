/** Majorities: what a set of voters has agreed on. A joint configuration needs a majority of both of its halves. */

export type VoteResult = 'won' | 'lost' | 'pending';

type Ids = ReadonlySet<bigint>;

/** The least number of `voters` members that is more than half of them. */
export function quorumSize(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * The highest index that a majority of `voters` has reached; `reached` gives each voter's. Infinity for no voters: an
 * empty half of a joint configuration never holds the other one back.
 */
export function majorityIndex(voters: Ids, reached: (id: bigint) => number): number {
  if (voters.size === 0) return Infinity;
  const descending: number[] = [];
  for (const id of voters) insertDescending(descending, reached(id));
  return descending[quorumSize(voters.size) - 1] as number;
}

export function jointIndex(incoming: Ids, outgoing: Ids, reached: (id: bigint) => number): number {
  return Math.min(majorityIndex(incoming, reached), majorityIndex(outgoing, reached));
}

/** Lost as soon as the votes still missing cannot make a majority. No voters: won, like majorityIndex. */
export function majorityVote(voters: Ids, voteOf: (id: bigint) => boolean | undefined): VoteResult {
  if (voters.size === 0) return 'won';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = voteOf(id);
    if (vote === true) granted++;
    else if (vote === undefined) missing++;
  }
  const needed = quorumSize(voters.size);
  if (granted >= needed) return 'won';
  return granted + missing >= needed ? 'pending' : 'lost';
}

export function jointVote(incoming: Ids, outgoing: Ids, voteOf: (id: bigint) => boolean | undefined): VoteResult {
  const a = majorityVote(incoming, voteOf);
  const b = majorityVote(outgoing, voteOf);
  if (a === b) return a;
  return a === 'lost' || b === 'lost' ? 'lost' : 'pending';
}

/** Voters are few: an insertion sort beats anything cleverer. */
function insertDescending(values: number[], value: number): void {
  let at = values.length;
  values.push(value);
  while (at > 0 && (values[at - 1] as number) < value) {
    values[at] = values[at - 1] as number;
    at--;
  }
  values[at] = value;
}
