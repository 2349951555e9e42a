import { expect, it } from 'vitest';
import { decodeConfState, encodeConfState } from '../../../src/server/conf-state.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

it('keeps ids beyond 2^53, in the JSON that etcd writes', () => {
  const state = {
    voters: [0x8e9e05c52164694dn, 3n],
    learners: [2n ** 64n - 1n],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  const encoded = encodeConfState(state);
  expect(text(encoded)).toBe(
    '{"voters":[10276657743932975437,3],"learners":[18446744073709551615],"auto_leave":false}',
  );
  expect(decodeConfState(encoded)).toEqual(state);
});

it('is empty where nothing is stored, and reads what etcd 3.7 leaves out', () => {
  const empty = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  expect(decodeConfState(undefined)).toEqual(empty);
  expect(decodeConfState(new TextEncoder().encode('{"voters":[1]}'))).toEqual({ ...empty, voters: [1n] });
});
