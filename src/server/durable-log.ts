/**
 * The Raft log on disk, as the server uses it. One adapter: the WAL in etcd's file format (src/storage/wal).
 *
 * What the log promises:
 * - `done` without an error means: this append and every one before it survives a crash of the process and of the machine.
 * - The `done`s come in the order of the calls, never from inside the call.
 * - After the first error the log has failed: every waiting and later call gets an error, and nothing is written any more.
 *   The process has to end; a restart reads what did reach the disk.
 */
import type { Metadata } from '../gen/etcdserver.ts';
import type { Entry, EntryInit, HardState } from '../gen/raftpb.ts';
import type { ConfStateInit } from '../gen/raftpb.ts';
import type { Snapshot } from '../gen/walpb.ts';

/** `error` is undefined when the call did what it says. */
export type LogDone = (error?: Error) => void;

/** A place in the log that a state machine can start from: its state holds everything up to and including `index`. */
export type SnapshotMark = Snapshot;

export interface SnapshotMarkInit {
  readonly index: number;
  readonly term: number;
  /** The members at `index`; etcd's tools read it. */
  readonly confState?: ConfStateInit | undefined;
}

export interface DurableLog {
  /**
   * Appends `entries` and then `hardState`. Entries follow the last one without a gap, or start at or below it: then the
   * old tail from there on is replaced. The bytes are taken before the call returns; the caller may reuse them.
   *
   * `mustSync` is false when only the commit index of the hard state changed: then `done` does not wait for the disk, and
   * the state is written together with whatever has to be durable next. After a crash the commit index may therefore be
   * older than what was seen; the entries are not.
   */
  append(hardState: HardState | undefined, entries: readonly EntryInit[], mustSync: boolean, done: LogDone): void;

  /**
   * Records that the state up to `mark.index` is durable elsewhere: a restart may begin there. A mark ahead of the log (a
   * snapshot from the leader) replaces the log, and raises the commit index to its own; entries go on after it.
   */
  markSnapshot(mark: SnapshotMarkInit, done: LogDone): void;

  /**
   * Lets go of what a restart from `index`, and one from the newest mark that is durable, does not need. Whole segments
   * are deleted, and only those beyond the configured number of segments to keep.
   */
  release(index: number): void;

  /** Writes what waits and frees the files; `done` is called last. Calls after it get an error. */
  close(done: LogDone): void;
}

/** What the log held when it was opened. */
export interface RecoveredLog {
  readonly metadata: Metadata;
  /** All zero when none was ever written. The commit index is at least `start.index`. */
  readonly hardState: HardState;
  /**
   * Where `entries` begin: the index asked for, or the newest usable mark. A higher index than the one asked for means
   * that a snapshot was marked which replaced the log in between. `term` is undefined when nothing in the log tells it.
   */
  readonly start: { readonly index: number; readonly term: number | undefined };
  /** The entries after `start.index`, without a gap. */
  readonly entries: Entry[];
  /** The usable marks (not beyond the commit index) that were read, oldest first. */
  readonly marks: SnapshotMark[];
}
