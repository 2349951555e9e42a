/** A read-only txn in slices, with writes, flushes and compactions in between, against the same txn read at once. */
import { describe, expect, test } from 'vitest';
import { readOnlyTxn } from '../../../src/apply/kv.ts';
import { fromBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { encodeTxnResponse, type Compare, type RequestOp, type TxnRequest } from '../../../src/gen/rpc.ts';
import { TxnAnswerJob, encodeTxnAnswer } from '../../../src/server/txn-answer-job.ts';
import { bothOrError } from '../../model/mvcc-model.ts';
import { KEYS, LEASES, StoreRig, pick, randomQuery, randomRangeEnd, randomTxn, runJob } from '../../model/mvcc-rig.ts';

const HEADER = { clusterId: 1n, memberId: 2n, raftTerm: 3 };

const NO_OPERAND = {
  version: undefined,
  createRevision: undefined,
  modRevision: undefined,
  value: undefined,
  lease: undefined,
};

function randomCompare(rig: StoreRig, random: SeededRandom): Compare {
  const revision = random.below(rig.model.currentRev + 2);
  const operand = pick(random, [
    { version: random.below(4) },
    { createRevision: revision },
    { modRevision: revision },
    { value: fromBinaryString('v'.repeat(random.below(4))) },
    { lease: pick(random, LEASES) },
  ]);
  // One above what there is, too.
  const [result, target] = [random.below(5), random.below(6)];
  return {
    ...NO_OPERAND,
    result,
    target,
    key: fromBinaryString(pick(random, KEYS)),
    rangeEnd: fromBinaryString(randomRangeEnd(random)),
    ...operand,
  };
}

function randomOps(rig: StoreRig, random: SeededRandom): RequestOp[] {
  return Array.from({ length: random.below(5) }, () => {
    const { key, rangeEnd, revision, ...query } = randomQuery(random, rig.model);
    const requestRange = {
      ...query,
      key: fromBinaryString(key),
      rangeEnd: fromBinaryString(rangeEnd),
      // Else most txns would fail for one of their revisions.
      revision: random.below(4) === 0 ? revision : 0,
      serializable: false,
    };
    return { requestRange, requestPut: undefined, requestDeleteRange: undefined, requestTxn: undefined };
  });
}

function randomRequest(rig: StoreRig, random: SeededRandom): TxnRequest {
  return {
    compare: Array.from({ length: random.below(4) }, () => randomCompare(rig, random)),
    success: randomOps(rig, random),
    failure: randomOps(rig, random),
  };
}

/** Whatever may happen between two slices. */
function meanwhile(rig: StoreRig, random: SeededRandom): void {
  const choice = random.below(8);
  if (choice < 3) randomTxn(rig, random);
  else if (choice === 3) rig.flush();
  else if (choice === 4 && random.below(10) === 0) {
    rig.compact(random.below(rig.model.currentRev + 1));
    rig.scrub(random, () => {});
  }
}

const SEEDS = 40;
const TXNS_PER_SEED = 60;

describe('a read-only txn in slices', () => {
  test(`answers what was there at its first step, byte by byte: ${SEEDS} seeds`, () => {
    const seen = { succeeded: 0, failed: 0, refused: 0, sliced: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new SeededRandom(seed);
      const rig = StoreRig.inMemory();
      for (let i = 0; i < TXNS_PER_SEED; i++) {
        randomTxn(rig, random);
        const request = randomRequest(rig, random);
        const { totals } = rig.store;
        const before = { ranges: totals.ranges, txns: totals.txns };
        const expected = bothOrError(
          () => readOnlyTxn(rig.store, request),
          () => undefined,
        );
        const own = { ranges: totals.ranges - before.ranges, txns: totals.txns - before.txns };
        let slices = 1;
        const job = new TxnAnswerJob(rig.store, request);
        // The other operations count, too.
        let counted = { ranges: 0, txns: 0 };
        const actual = bothOrError(
          () => {
            const others = (): void => {
              const start = { ranges: totals.ranges, txns: totals.txns };
              meanwhile(rig, random);
              counted.ranges -= totals.ranges - start.ranges;
              counted.txns -= totals.txns - start.txns;
              slices++;
            };
            counted = { ranges: -totals.ranges, txns: -totals.txns };
            const answer = runJob(job, random, others);
            counted.ranges += totals.ranges;
            counted.txns += totals.txns;
            return answer;
          },
          () => undefined,
        );
        const note = `seed ${seed}, txn ${i}`;
        if ('errors' in expected || 'errors' in actual) {
          expect('errors' in actual && actual.errors[0], note).toBe('errors' in expected && expected.errors[0]);
          seen.refused++;
          continue;
        }
        const header = { ...HEADER, revision: actual.a.revision };
        const bytes = Buffer.concat(encodeTxnAnswer(actual.a, header));
        expect(expected.a.header?.revision, note).toBe(actual.a.revision);
        expect(bytes.equals(encodeTxnResponse({ ...expected.a, header })), note).toBe(true);
        expect(counted, note).toEqual(own);
        seen[actual.a.succeeded ? 'succeeded' : 'failed']++;
        if (slices > 2) seen.sliced++;
      }
      // Every pin is released: this asserts it.
      rig.flush();
      rig.close();
    }
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(200);
  });
});
