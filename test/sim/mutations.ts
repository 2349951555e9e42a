/**
 * Mistakes that are put into a member from outside, through its ports or by replacing a method, one at a time: the simulator
 * has to find each of them. What it would not find here, it would not find in the code.
 */
import type { Member } from '../../src/embed/member.ts';
import type { Backend, BackendView, Table } from '../../src/mvcc/backend.ts';
import { type Batch, WriteBatch } from '../../src/mvcc/backend.ts';
import type { MvccEvent } from '../../src/mvcc/event.ts';
import { MessageType, type Message } from '../../src/gen/raftpb.ts';
import type { Snapshot } from '../../src/mvcc/write-buffer.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { File, FileSystem } from '../../src/ports/file-system.ts';
import { getUint64BE, putUint64BE, toBinaryString } from '../../src/base/bytes.ts';

export interface Mutation {
  readonly name: string;
  readonly files?: (files: FileSystem) => FileSystem;
  readonly backend?: (backend: Backend) => Backend;
  readonly clock?: (clock: Clock) => Clock;
  /** To another member. */
  readonly message?: (message: Message) => Message;
  /** Before it starts. */
  readonly member?: (member: Member) => void;
  /** When it begins to serve. */
  readonly serving?: (member: Member) => void;
}

/** A mistake that is made every so many times is made often enough to be found, and not at once. */
const NOW_AND_THEN = 25;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'the log says that it is durable when it is only written',
    files: (files) => mapFiles(files, unsynced),
  },
  {
    name: 'the log reports each append at once',
    member: ({ state: { log } }) => {
      const append = log.append.bind(log);
      log.append = (hardState, entries, mustSync, done) => {
        append(hardState, entries, mustSync, () => {});
        queueMicrotask(done);
      };
    },
  },
  {
    name: 'errors of a sync are passed over',
    files: (files) => mapFiles(files, deafToErrors),
  },
  {
    name: 'the applied index is flushed ahead of the data',
    backend: (backend) =>
      mapCommits(backend, (batch, commit, done) => {
        const isMeta = (table: Table): boolean => table === 'meta';
        commit(rowsOf(batch, isMeta), (error) => {
          if (error !== undefined) done(error);
          else
            commit(
              rowsOf(batch, (table) => !isMeta(table)),
              done,
            );
        });
      }),
  },
  {
    name: 'an entry is left out when the log is replayed',
    backend: (backend) => mapAppliedIndex(backend, (index) => index + 1),
  },
  {
    name: 'an entry is applied once more when the log is replayed',
    backend: (backend) => mapAppliedIndex(backend, (index) => Math.max(0, index - 1)),
  },
  {
    name: 'the database says that it is durable when it has only begun',
    backend: (backend) => {
      let last = Promise.resolve();
      return mapCommits(backend, (batch, commit, done) => {
        last = last.then(() => new Promise((resolve) => commit(batch, () => resolve())));
        queueMicrotask(() => done(undefined));
      });
    },
  },
  {
    name: 'a row is lost on its way to the database',
    backend: (backend) => {
      let rows = 0;
      return mapCommits(backend, (batch, commit, done) => {
        commit(
          rowsOf(batch, (table) => table !== 'cur' || ++rows % NOW_AND_THEN !== 0),
          done,
        );
      });
    },
  },
  {
    name: 'a value is stored with a wrong byte',
    backend: (backend) =>
      mapCommits(backend, (batch, commit, done) => {
        const at = batch.tables.lastIndexOf('rev');
        const value = batch.values[at]?.slice();
        value?.set([(value.at(-1) ?? 0) ^ 1], value.length - 1);
        if (batch.size > NOW_AND_THEN && value !== undefined) batch.values[at] = value;
        commit(batch, done);
      }),
  },
  {
    name: 'a read answers with what it answered before',
    member: ({ state: { store } }) => {
      const range = store.range.bind(store);
      const last = new Map<string, ReturnType<typeof range>>();
      store.range = (query) => {
        const name = toBinaryString(query.key);
        const before = last.get(name);
        const now = range(query);
        last.set(name, now);
        return before !== undefined && now.revision % NOW_AND_THEN === 0 && query.revision === 0 ? before : now;
      };
    },
  },
  {
    name: 'a header has the revision of when it was sent',
    member: ({ core }) => {
      core.withHeader = (response) => ({ ...response, header: core.header(core.parts.store.currentRev) });
    },
  },
  {
    name: 'an event is not sent to watchers',
    member: ({ hub }) => {
      const notify = hub.notify.bind(hub);
      hub.notify = (revision, events) => notify(revision, revision % NOW_AND_THEN === 0 ? events.slice(1) : events);
    },
  },
  {
    name: 'an event is sent to watchers twice',
    member: ({ hub }) => {
      const notify = hub.notify.bind(hub);
      const twice = (events: readonly MvccEvent[]): MvccEvent[] => [...events, ...events.slice(-1)];
      hub.notify = (revision, events) => notify(revision, revision % NOW_AND_THEN === 0 ? twice(events) : events);
    },
  },
  {
    name: 'history has a gap for those who watch from the past',
    member: ({ state: { store } }) => {
      const history = store.history.bind(store);
      store.history = (fromRevision, rowsMax, bytesMax) => {
        const slice = history(fromRevision, rowsMax, bytesMax);
        return { ...slice, revisions: slice.revisions.filter(({ revision }) => revision % NOW_AND_THEN !== 0) };
      };
    },
  },
  {
    name: 'watchers that are behind are left behind',
    member: ({ hub }) => {
      hub.catchUp = () => false;
    },
  },
  {
    name: 'the previous value of an event is the value itself',
    member: ({ state: { store } }) => {
      const prevKv = store.prevKv.bind(store);
      store.prevKv = (event) => (event.main % NOW_AND_THEN === 0 ? event.kv : prevKv(event));
    },
  },
  {
    name: 'leases end a second and a half too early',
    member: ({ state: { lessor } }) => {
      const expired = lessor.expired.bind(lessor);
      lessor.expired = (nowMs, max) => expired(nowMs + 1500, max);
    },
  },
  {
    name: 'a lease that is kept alive gets no new time',
    member: ({ state: { lessor } }) => {
      const renew = lessor.renew.bind(lessor);
      lessor.renew = (id, nowMs) => {
        const time = lessor.timeToLive(id, nowMs)?.grantedTtlSeconds;
        if (time === undefined || (lessor.timeToLive(id, nowMs)?.remainingSeconds ?? 0) < 1) return renew(id, nowMs);
        return { status: 'renewed', ttlSeconds: time, clearCheckpoint: false };
      };
    },
  },
  {
    name: 'leases follow the wall clock',
    clock: (clock) => ({
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.wallMs(),
      after: (delayMs, run) => clock.after(delayMs, run),
      soon: (run) => clock.soon(run),
    }),
  },
  {
    name: 'a restart shortens leases',
    member: ({ state: { lessor } }) => {
      const promote = lessor.promote.bind(lessor);
      lessor.promote = (extendMs, nowMs) => promote(extendMs, nowMs - 4000);
    },
  },
  {
    name: 'a lease never ends',
    member: ({ state: { lessor } }) => {
      const expired = lessor.expired.bind(lessor);
      lessor.expired = (nowMs, max) => expired(nowMs, max).filter((id) => id % 4n !== 0n);
    },
  },
  {
    name: 'a lease ends and its keys stay',
    member: ({ state: { lessor } }) => {
      const revoke = lessor.revoke.bind(lessor);
      lessor.revoke = (id) => revoke(id).slice(1);
    },
  },
  {
    name: 'term and vote are not stored',
    member: ({ state: { log } }) => {
      const append = log.append.bind(log);
      log.append = (hardState, entries, mustSync, done) => {
        append(hardState && { ...hardState, term: 1, vote: 0n }, entries, mustSync, done);
      };
    },
  },
  {
    name: 'a vote is granted that was refused',
    message: (message) => (message.type === MessageType.MsgVoteResp ? { ...message, reject: false } : message),
  },
  {
    name: 'a follower acknowledges more than it has',
    message: (message) => {
      const { type, reject, index } = message;
      return type === MessageType.MsgAppResp && !reject && index > 5 ? { ...message, index: index + 1 } : message;
    },
  },
  {
    name: 'a leader tells followers of a commit too early',
    message: (message) => {
      const { type, index, entries } = message;
      return type === MessageType.MsgApp ? { ...message, commit: index + entries.length } : message;
    },
  },
  {
    name: 'reads do not ask the leader',
    serving: ({ core }) => {
      core.linearizable = () => undefined;
    },
  },
  {
    name: 'a leader reads without asking whether it still leads',
    serving: ({ core }) => {
      const linearizable = core.linearizable.bind(core);
      core.linearizable = () => (core.parts.node.isLeader ? undefined : linearizable());
    },
  },
  {
    name: 'one member applies something else',
    member: ({ state: { memberId, lessor } }) => {
      const grant = lessor.grant.bind(lessor);
      lessor.grant = (id, ttlSeconds, nowMs) => grant(id, memberId % 3n === 0n ? ttlSeconds + 1 : ttlSeconds, nowMs);
    },
  },
  {
    name: 'a snapshot for another member lacks a row',
    member: ({ snapshots, state: { buffer } }) => {
      const open = snapshots.open.bind(snapshots);
      const pin = buffer.pin.bind(buffer);
      snapshots.open = () => {
        buffer.pin = () => withoutFirstRow(pin());
        const opened = open();
        buffer.pin = pin;
        return opened;
      };
    },
  },
  {
    name: 'a compaction is forgotten at a restart',
    backend: (backend) =>
      mapViews(backend, (view) => ({
        ...viewMethods(view),
        get: (table, key) =>
          table === 'meta' && toBinaryString(key).endsWith('CompactRev') ? undefined : view.get(table, key),
      })),
  },
];

// ---- Ports with something changed.

function withoutFirstRow(snapshot: Snapshot): Snapshot {
  const cursor = snapshot.cursor.bind(snapshot);
  snapshot.cursor = (table) => {
    const rows = cursor(table);
    const seek = rows.seek.bind(rows);
    if (table === 'rev') rows.seek = (key) => seek(key) && rows.next();
    return rows;
  };
  return snapshot;
}

function mapCommits(
  backend: Backend,
  commit: (batch: WriteBatch, commit: Backend['commit'], done: (error: Error | undefined) => void) => void,
): Backend {
  return {
    ...backendMethods(backend),
    commit: (batch, done) =>
      commit(
        rowsOf(batch, () => true),
        (rows, then) => backend.commit(rows, then),
        done,
      ),
  };
}

function mapViews(backend: Backend, map: (view: BackendView) => BackendView): Backend {
  return { ...backendMethods(backend), view: () => map(backend.view()) };
}

/** Of the first view: what a member reads when it is opened. */
function mapAppliedIndex(backend: Backend, map: (index: number) => number): Backend {
  let isFirst = true;
  return mapViews(backend, (view) => {
    if (!isFirst) return view;
    isFirst = false;
    return {
      ...viewMethods(view),
      get: (table, key) => {
        const value = view.get(table, key);
        if (table !== 'meta' || value === undefined || toBinaryString(key) !== 'consistent_index') return value;
        const mapped = new Uint8Array(8);
        putUint64BE(mapped, 0, map(getUint64BE(value, 0)));
        return mapped;
      },
    };
  });
}

function rowsOf(batch: Batch, isWanted: (table: Table) => boolean): WriteBatch {
  const out = new WriteBatch();
  const operations = batch.operations();
  while (operations.next()) {
    const { table, key, value } = operations;
    if (!isWanted(table)) continue;
    if (value === undefined) out.delete(table, key);
    else out.put(table, key, value);
  }
  return out;
}

function backendMethods(backend: Backend): Backend {
  return {
    view: () => backend.view(),
    commit: (batch, done) => backend.commit(batch, done),
    defragment: (done) => backend.defragment(done),
    get isWriting() {
      return backend.isWriting;
    },
    sizeBytes: () => backend.sizeBytes(),
    sizeInUseBytes: () => backend.sizeInUseBytes(),
    close: () => backend.close(),
  };
}

function viewMethods(view: BackendView): BackendView {
  return {
    get: (table, key) => view.get(table, key),
    lend: (table, key, borrower) => view.lend(table, key, borrower),
    cursor: (table) => view.cursor(table),
    last: (table, before) => view.last(table, before),
    close: () => view.close(),
  };
}

function mapFiles(files: FileSystem, map: (file: File) => File): FileSystem {
  return {
    list: (dir) => files.list(dir),
    exists: (path) => files.exists(path),
    makeDir: (path, mode) => files.makeDir(path, mode),
    open: (path, how) => map(files.open(path, how)),
    rename: (from, to) => files.rename(from, to),
    remove: (path) => files.remove(path),
    sizeOf: (path) => files.sizeOf(path),
    syncDir: (dir) => files.syncDir(dir),
    removeAsync: (path, done) => files.removeAsync(path, done),
    syncDirAsync: (dir, done) => files.syncDirAsync(dir, done),
  };
}

function fileMethods(file: File): File {
  return {
    read: (into, position) => file.read(into, position),
    write: (bytes, position) => file.write(bytes, position),
    truncate: (lengthBytes) => file.truncate(lengthBytes),
    size: () => file.size(),
    sync: () => file.sync(),
    syncAsync: (done) => file.syncAsync(done),
    writeDurable: (bytes, position) => file.writeDurable(bytes, position),
    writeDurableAsync: (bytes, position, done) => file.writeDurableAsync(bytes, position, done),
    close: () => file.close(),
  };
}

function unsynced(file: File): File {
  const writeSoon: File['writeDurableAsync'] = (bytes, position, done) => {
    file.write(bytes, position);
    queueMicrotask(() => done(undefined));
  };
  return {
    ...fileMethods(file),
    writeDurable: (bytes, position) => file.write(bytes, position),
    writeDurableAsync: writeSoon,
  };
}

function deafToErrors(file: File): File {
  return {
    ...fileMethods(file),
    writeDurable: (bytes, position) => {
      try {
        file.writeDurable(bytes, position);
      } catch (error) {
        if (error instanceof Error && error.name === 'PowerLoss') throw error;
      }
    },
    writeDurableAsync: (bytes, position, done) => file.writeDurableAsync(bytes, position, () => done(undefined)),
  };
}
