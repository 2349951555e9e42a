/** One Raft member with a disk, a state machine and an outbox, all in memory and under the test's control. */
import { must } from '../../../../src/base/assert.ts';
import { SeededRandom, type Random } from '../../../../src/base/random.ts';
import { decodeAnyConfChange } from '../../../../src/raft/conf-change.ts';
import { Raft } from '../../../../src/raft/raft.ts';
import {
  NONE,
  type ConfState,
  type Entry,
  type HardState,
  type LogPosition,
  type Message,
  type RaftOptions,
  type ReadState,
  type Ready,
} from '../../../../src/raft/types.ts';
import { MessageType } from '../../../../src/gen/raftpb.ts';
import { getUint64BE, putUint64BE } from '../../../../src/base/bytes.ts';

/** What survives a crash. The state machine's state is a running hash of what was applied. */
export interface Disk {
  hardState: HardState;
  snapshot: LogPosition;
  entries: Entry[];
  checkpoint: { applied: number; hash: number; confState: ConfState };
}

export type Tuning = Partial<Omit<RaftOptions, 'id' | 'initial'>>;

export interface Hooks {
  onReady?: (member: Member, ready: Ready) => void;
  onApply?: (member: Member, entry: Entry) => void;
}

export function confState(voters: readonly bigint[], more: Partial<ConfState> = {}): ConfState {
  return { voters: [...voters], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false, ...more };
}

export function emptyDisk(conf: ConfState): Disk {
  return {
    hardState: { term: 0, vote: NONE, commit: 0 },
    snapshot: { index: 0, term: 0 },
    entries: [],
    checkpoint: { applied: 0, hash: 0, confState: conf },
  };
}

export class Member {
  readonly id: bigint;
  readonly disk: Disk;
  raft: Raft;
  /** Messages this member has sent; the test takes them out. */
  outbox: Message[] = [];
  readStates: ReadState[] = [];
  /** Readys whose writes are not done. */
  unsynced: Ready[] = [];
  unapplied: Entry[] = [];
  appliedHash: number;
  readonly #tuning: Tuning;
  readonly #hooks: Hooks;

  constructor(id: bigint, disk: Disk, tuning: Tuning = {}, hooks: Hooks = {}) {
    this.id = id;
    this.disk = disk;
    this.#tuning = tuning;
    this.#hooks = hooks;
    this.appliedHash = disk.checkpoint.hash;
    this.raft = this.#boot();
  }

  /** Takes all Readys there are. Writes and entries to apply pile up until sync() and apply(). */
  takeReadys(): void {
    while (this.raft.hasReady()) {
      const ready = this.raft.ready();
      this.#hooks.onReady?.(this, ready);
      this.#post(ready.messages);
      this.unsynced.push(ready);
      this.unapplied.push(...ready.committedEntries);
      this.readStates.push(...ready.readStates);
      // What has nothing to write waits only for what came before it.
      if (this.unsynced.length === 1 && !writes(ready)) this.sync(1);
    }
  }

  /** Makes the writes of the first `count` waiting Readys durable, and acknowledges them together. */
  sync(count = this.unsynced.length): void {
    const done = this.unsynced.splice(0, count);
    let acknowledged = 0;
    for (const ready of done) {
      write(this.disk, ready, Infinity);
      if (ready.mustSync) acknowledged = ready.sequence;
    }
    if (acknowledged > 0) this.raft.appended(acknowledged);
    for (const { snapshot, messagesAfterAppend } of done) {
      if (snapshot?.metadata !== undefined) this.#install(snapshot.metadata.index);
      this.#post(messagesAfterAppend);
    }
  }

  /** Applies up to `count` entries, then says so once. */
  apply(count = this.unapplied.length): void {
    const entries = this.unapplied.splice(0, count);
    for (const entry of entries) {
      this.appliedHash = mix(this.appliedHash, entry);
      const change = decodeAnyConfChange(entry);
      if (change !== undefined) this.raft.applyConfChange(change);
      this.#hooks.onApply?.(this, entry);
    }
    const last = entries.at(-1);
    if (last !== undefined) this.raft.applied(last.index);
  }

  /** Ready, sync and apply until nothing is left to do. */
  settle(): void {
    do {
      this.takeReadys();
      this.sync();
      this.apply();
    } while (this.raft.hasReady());
  }

  /** Saves the state machine and drops the log up to `index`. */
  compact(index: number): void {
    const { disk, raft } = this;
    disk.checkpoint = { applied: raft.appliedIndex, hash: this.appliedHash, confState: raft.confState() };
    if (index <= disk.snapshot.index) return;
    raft.compactLog(index);
    const dropped = index - disk.snapshot.index;
    disk.snapshot = { index, term: must(disk.entries[dropped - 1], 'entry to compact').term };
    disk.entries.splice(0, dropped);
  }

  /** Power loss: the first `writesKept` waiting writes made it to the disk, and of the next one `entriesKept` entries. */
  crash(writesKept = 0, entriesKept = 0): void {
    for (const ready of this.unsynced.slice(0, writesKept)) write(this.disk, ready, Infinity);
    const torn = this.unsynced[writesKept];
    if (torn !== undefined && torn.snapshot === undefined && entriesKept > 0) write(this.disk, torn, entriesKept);
    this.outbox = [];
    this.readStates = [];
    this.unsynced = [];
    this.unapplied = [];
    this.appliedHash = this.disk.checkpoint.hash;
    this.raft = this.#boot();
  }

  #boot(): Raft {
    const { hardState, snapshot, entries, checkpoint } = this.disk;
    const random: Random = this.#tuning.random ?? new SeededRandom(Number(this.id));
    return new Raft({
      electionTicks: 10,
      heartbeatTicks: 1,
      preVote: true,
      checkQuorum: true,
      maxSizePerMessageBytes: 1 << 20,
      inflightMessagesMax: 64,
      inflightBytesMax: 0,
      uncommittedBytesMax: 0,
      ...this.#tuning,
      random,
      id: this.id,
      initial: {
        hardState: { ...hardState },
        confState: checkpoint.confState,
        snapshot,
        entries: [...entries],
        applied: checkpoint.applied,
      },
    });
  }

  #install(index: number): void {
    this.unapplied = [];
    this.appliedHash = this.disk.checkpoint.hash;
    this.raft.snapshotInstalled(index);
  }

  /** A snapshot is of the state machine as it is when the message leaves. */
  #post(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.type === MessageType.MsgSnap) {
        const data = new Uint8Array(8);
        putUint64BE(data, 0, this.appliedHash);
        message.snapshot = { data, metadata: this.raft.snapshotMetadata() };
      }
      this.outbox.push(message);
    }
  }
}

function writes(ready: Ready): boolean {
  return ready.hardState !== undefined || ready.entries.length > 0 || ready.snapshot !== undefined;
}

/** Writes as Ready demands; only `entriesKept` entries, and no hard state, of a write that was torn. */
function write(disk: Disk, { snapshot, entries, hardState }: Ready, entriesKept: number): void {
  if (snapshot?.metadata !== undefined) {
    const { index, term } = snapshot.metadata;
    disk.snapshot = { index, term };
    disk.entries = [];
    disk.checkpoint = {
      applied: index,
      hash: getUint64BE(snapshot.data, 0),
      confState: must(snapshot.metadata.confState, 'configuration of a snapshot'),
    };
  }
  const kept = entries.slice(0, entriesKept);
  const first = kept[0];
  if (first !== undefined) {
    disk.entries.length = first.index - disk.snapshot.index - 1;
    disk.entries.push(...kept);
  }
  if (hardState !== undefined && entriesKept === Infinity) disk.hardState = { ...hardState };
}

/** A running hash below 2^32: equal hashes at one index mean equal histories. */
function mix(hash: number, entry: Entry): number {
  let h = (hash ^ (entry.index * 31 + entry.term)) >>> 0;
  for (const byte of entry.data) h = (Math.imul(h ^ byte, 0x01000193) + 1) >>> 0;
  return Math.imul(h ^ (h >>> 15), 0x85ebca6b) >>> 0;
}
