/** Who votes, as etcd stores it in its database: JSON with the ids as numbers beyond 2^53. */
import { must } from '../base/assert.ts';
import { utf8Decode, utf8Encode } from '../base/utf8.ts';
import type { ConfState } from '../gen/raftpb.ts';

type IdList = 'voters' | 'learners' | 'votersOutgoing' | 'learnersNext';

const NAMES: readonly (readonly [IdList, string])[] = [
  ['voters', 'voters'],
  ['learners', 'learners'],
  ['votersOutgoing', 'voters_outgoing'],
  ['learnersNext', 'learners_next'],
];

export function encodeConfState(state: ConfState): Uint8Array {
  const fields = NAMES.filter(([field]) => state[field].length > 0).map(
    ([field, name]) => `"${name}":[${state[field].join(',')}]`,
  );
  fields.push(`"auto_leave":${state.autoLeave}`);
  return utf8Encode(`{${fields.join(',')}}`);
}

/** Nobody votes where nothing is stored. */
export function decodeConfState(bytes: Uint8Array | undefined): ConfState {
  const state: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  if (bytes === undefined) return state;
  const text = must(utf8Decode(bytes), 'the stored conf state is not UTF-8');
  for (const [field, name] of NAMES) {
    // Read as text: a JSON parser would round the ids.
    const list = new RegExp(`"${name}"\\s*:\\s*\\[([\\d,\\s]*)\\]`).exec(text)?.[1] ?? '';
    state[field] = list
      .split(',')
      .filter((id) => id.trim() !== '')
      .map((id) => BigInt(id.trim()));
  }
  state.autoLeave = /"auto_leave"\s*:\s*true/.test(text);
  return state;
}
