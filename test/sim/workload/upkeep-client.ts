/** What operators ask for: hashes, defragmentation, snapshots, and an end to the alarm. */
import { createHash } from 'node:crypto';
import { equalBytes } from '../../../src/base/bytes.ts';
import { etcdError } from '../../../src/base/etcd-error.ts';
import {
  AlarmAction,
  AlarmType,
  decodeAlarmResponse,
  decodeHashKVResponse,
  decodeSnapshotResponse,
  decodeStatusResponse,
  encodeAlarmRequest,
  encodeHashKVRequest,
  encodeMoveLeaderRequest,
  type HashKVResponse,
} from '../../../src/gen/rpc.ts';
import { MaintenanceService } from '../../../src/gen/services.ts';
import { require } from '../world/violation.ts';
import type { Caller, Window } from './caller.ts';

const { Alarm, Defragment, HashKV, MoveLeader, Snapshot, Status } = MaintenanceService.methods;
const COMPACTED = etcdError('Compacted').message;
const FUTURE = etcdError('FutureRev').message;
const NOTHING = new Uint8Array(0);
const SNAPSHOT_UNIT_BYTES = 512;

export class UpkeepClient {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  async hash(back: number | undefined): Promise<void> {
    const { world, name } = this.#caller;
    const revision = back === undefined ? 0 : Math.max(1, world.seenRevision - back);
    const { outcome, window } = await this.#caller.call(HashKV.path, encodeHashKVRequest({ revision }));
    if (outcome.kind === 'error' && !this.#caller.isTemporary(outcome.error)) {
      const { message } = outcome.error;
      const isCompacted = message === COMPACTED && revision < world.log.reference.compactRevAt(window.answeredIndex);
      const isRight = isCompacted || (message === FUTURE && revision > this.#knownRevision(window));
      require(isRight, 'wrong answer', () => `hash at ${revision} got "${message}"`);
    }
    if (outcome.kind !== 'reply') return;
    const response = decodeHashKVResponse(outcome.bytes);
    world.observe(response.header);
    const { hash, hashRevision, compactRevision } = response;
    world.line(`${name} gets hash ${hash} of revision ${hashRevision} compacted at ${compactRevision}`);
    this.#judgeHash(response, window, revision);
    world.marks.hit('hashChecked');
  }

  async defragment(): Promise<void> {
    const { outcome } = await this.#caller.call(Defragment.path, NOTHING);
    if (outcome.kind === 'reply') this.#caller.world.marks.hit('defragmented');
    const isRight = outcome.kind !== 'error' || this.#caller.isTemporary(outcome.error);
    require(isRight, 'wrong answer', () =>
      `defragmentation got "${outcome.kind === 'error' && outcome.error.message}"`);
  }

  /** Takes a snapshot and looks whether it came whole. */
  async snapshot(giveUpMs: number | undefined): Promise<void> {
    const blobs: Uint8Array[] = [];
    const { outcome } = await this.#caller.gather(
      Snapshot.path,
      NOTHING,
      (bytes) => void blobs.push(decodeSnapshotResponse(bytes).blob),
      () => NOTHING,
      giveUpMs,
    );
    if (outcome.kind === 'reply') this.#judgeSnapshot(blobs);
  }

  async status(): Promise<void> {
    const { world } = this.#caller;
    const { outcome, window } = await this.#caller.call(Status.path, NOTHING);
    if (outcome.kind !== 'reply') return;
    const { header, raftIndex, raftAppliedIndex, raftTerm, leader, dbSize, dbSizeInUse } = decodeStatusResponse(
      outcome.bytes,
    );
    world.observe(header);
    const earliest = this.#caller.isCluster ? 0 : window.arrivedIndex;
    const isOfTime = raftAppliedIndex >= earliest && raftAppliedIndex <= window.answeredIndex;
    const isConsistent = raftIndex >= raftAppliedIndex && raftTerm === header?.raftTerm && dbSizeInUse <= dbSize;
    require(isOfTime && isConsistent && (leader !== 0n || this.#caller.isCluster), 'wrong answer', () => {
      return `status: commit ${raftIndex}, applied ${raftAppliedIndex}, term ${raftTerm}, sizes ${dbSize}, ${dbSizeInUse}`;
    });
  }

  async moveLeader(to: number): Promise<void> {
    const { world } = this.#caller;
    const targetID = world.nodes[to % world.nodes.length]?.process?.member?.state.memberId ?? 0n;
    const { outcome } = await this.#caller.call(MoveLeader.path, encodeMoveLeaderRequest({ targetID }));
    if (outcome.kind === 'reply') world.marks.hit('movedLeader');
  }

  async disarm(): Promise<void> {
    const { world } = this.#caller;
    const memberID = this.#caller.node.serving?.member?.state.memberId ?? 0n;
    const request = { action: AlarmAction.DEACTIVATE, memberID, alarm: AlarmType.NOSPACE };
    const { outcome } = await this.#caller.call(Alarm.path, encodeAlarmRequest(request));
    if (outcome.kind === 'reply') world.observe(decodeAlarmResponse(outcome.bytes).header);
  }

  /** A hash may be one that a compaction made on its way: then it tells the compact revision from before. */
  #judgeHash({ hash, hashRevision, compactRevision }: HashKVResponse, window: Window, revision: number): void {
    const { reference } = this.#caller.world.log;
    const { store } = reference;
    const isOfTime = hashRevision <= reference.revisionAt(window.answeredIndex);
    const isAsked = revision === 0 ? hashRevision >= this.#knownRevision(window) : hashRevision === revision;
    require(isOfTime && isAsked, 'wrong answer', () => `hash of revision ${hashRevision} for ${revision}`);
    const known = [this.#caller.isCluster ? 0 : window.invokedIndex, window.answeredIndex].map((index) =>
      reference.compactRevAt(index),
    );
    const isNow = compactRevision >= (known[0] as number) && compactRevision <= (known[1] as number);
    const isOfCompaction = hashRevision <= (known[1] as number) && compactRevision < hashRevision;
    const right: number[] = [];
    if (isNow) right.push(store.hash(hashRevision, compactRevision));
    if (isOfCompaction) right.push(store.compactionHash(hashRevision, compactRevision));
    require(right.includes(hash), 'hash', () => {
      return `revision ${hashRevision} compacted at ${compactRevision} has hash ${hash}, should have ${right.join(' or ')}`;
    });
  }

  /** What any member knows: hashes are of what the member that is asked has applied. */
  #knownRevision({ seenRevision }: Window): number {
    return this.#caller.isCluster ? 0 : seenRevision;
  }

  #judgeSnapshot(blobs: readonly Uint8Array[]): void {
    const database = Buffer.concat(blobs.slice(0, -1));
    const isSized = database.length > 0 && database.length % SNAPSHOT_UNIT_BYTES === 0;
    require(isSized, 'snapshot', () => `${database.length} bytes`);
    const sum = createHash('sha256').update(database).digest();
    require(equalBytes(sum, blobs.at(-1) as Uint8Array), 'snapshot', () => 'the checksum is wrong');
    this.#caller.world.marks.hit('snapshotTaken');
  }
}
