import { messageType, methodShape } from '../support/proto-codec.ts';
import { show } from '../support/stream-inbox.ts';
import type { Answer } from './normalise.ts';
import {
  type JsonMessage,
  type Operation,
  resolveMessage,
  resolveRevision,
  type Revisions,
  RPCS,
  type RpcName,
} from './operation.ts';
import type { Side } from './side.ts';
import type { Control, TrackedEvent } from './watch-track.ts';

/** The two sides differ. */
export class Difference extends Error {
  override readonly name = 'Difference';
  constructor(what: string, a: unknown, b: unknown) {
    const [first, second] = [a, b].map((value) => (typeof value === 'string' ? value : show(value)));
    super(`${what.slice(0, 1_000)}\n${aroundFirstDifference(first ?? '', second ?? '')}`);
  }
}

/** Both texts where they begin to differ, with what leads up to it. */
function aroundFirstDifference(first: string, second: string): string {
  let at = 0;
  while (at < first.length && first[at] === second[at]) at++;
  const window = (text: string): string => {
    const from = Math.max(0, at - 250);
    return `${from > 0 ? '…' : ''}${text.slice(from, at + 250)}${text.length > at + 250 ? '…' : ''}`;
  };
  return `  first:  ${window(first)}\n  second: ${window(second)}`;
}

interface OpenWatch {
  readonly stream: number;
  readonly id: bigint;
  readonly key: string;
  /** Empty for a single key, `\x00` for no upper bound. */
  readonly rangeEnd: string;
  readonly dropped: ReadonlySet<TrackedEvent['type']>;
  /** Events from here on have not been compared yet. */
  from: bigint;
  /** Cancelled by a compaction: its id stays taken until the client cancels it as well. */
  dead: boolean;
}

/** The stream of the observer: everything that happens, as the first side tells it. */
const OBSERVER = -1;
const WAIT_MS = 10_000;
/** Longer than etcd takes to move a watch that begins in the past to those that are up to date. */
const CATCH_UP_MS = 250;
/** Longer than either takes to write to its database what it holds in memory. */
const FLUSHED_MS = 1_200;
const WATCH_CREATE = messageType('etcdserverpb.WatchCreateRequest');

/** Sends operations to two servers, one after the other and each to both at once, and compares what comes back. */
export class Runner {
  readonly #a: Side;
  readonly #b: Side;
  readonly #watches: OpenWatch[] = [];
  #current = 1n;
  #compacted = 0n;
  /** What the observer saw and a watch may still be compared with. */
  #history: TrackedEvent[] = [];
  #observed = 1n;
  #pastWatchCreatedAt = 0;
  #softCompactionAt = 0;
  /** The last compaction that was waited for. */
  #compactionDoneAt = 0n;

  constructor(a: Side, b: Side) {
    this.#a = a;
    this.#b = b;
  }

  async begin(): Promise<void> {
    await this.#observe();
  }

  get revision(): bigint {
    return this.#current;
  }

  async step(operation: Operation): Promise<void> {
    if ('rpc' in operation) await this.#call(operation.rpc, operation.request);
    else if ('step' in operation) await (operation.step === 'sync' ? this.#sync() : this.#restart());
    else if (operation.watch === 'create') await this.#createWatch(operation.stream, operation.request);
    else if (operation.watch === 'cancel') await this.#cancelWatch(operation.stream, BigInt(operation.watch_id));
    else await this.#progress(operation.stream);
  }

  /** Compares all that the servers hold at the end: watches, the keys at many revisions, HashKV at many revisions. */
  async finish(): Promise<void> {
    await this.#sync();
    const first = this.#compacted > 0n ? this.#compacted : 1n;
    const span = this.#current - first;
    const whole = { key: '\x00', range_end: '\x00' };
    for (let i = 0n; i <= 20n; i++) {
      const back = -Number((span * i) / 20n);
      await this.#call('Range', { ...whole, revision: { current: back } });
      await this.#call('HashKV', { revision: { current: back } });
    }
    await this.#call('HashKV', { revision: 0 });
    await this.#call('LeaseLeases', {});
  }

  get #revisions(): Revisions {
    return { current: this.#current, compacted: this.#compacted };
  }

  async #call(rpc: RpcName, json: JsonMessage): Promise<void> {
    if (rpc === 'Compact') await this.#beforeCompaction();
    const request = resolveMessage(methodShape(RPCS[rpc], rpc).request, json, this.#revisions);
    let [a, b] = await Promise.all([this.#a.call(rpc, request), this.#b.call(rpc, request)]);
    // Until the background work of a compaction is done, etcd's hash may differ from what it is afterwards.
    for (
      let wait = 0;
      rpc === 'HashKV' && !equal(a, b) && Date.now() < this.#softCompactionAt + 3_000 && wait < 30;
      wait++
    ) {
      await sleep(100);
      [a, b] = await Promise.all([this.#a.call(rpc, request), this.#b.call(rpc, request)]);
    }
    if (!equal(a, b))
      throw new Difference(`${rpc} ${show(request)} at revision ${this.#current}`, shownAnswer(a), shownAnswer(b));
    if ('error' in a) return;
    this.#noteRevision(a);
    if (rpc !== 'Compact') return;
    this.#compacted = resolveRevision(json['revision'], this.#revisions);
    if (json['physical'] !== true) this.#softCompactionAt = Date.now();
  }

  #noteRevision(answer: Answer): void {
    const text = 'value' in answer ? answer.value : 'shown' in answer ? answer.shown : '';
    const revision = /"revision":"(\d+)n"/.exec(text)?.[1];
    if (revision !== undefined && BigInt(revision) > this.#current) this.#current = BigInt(revision);
  }

  async #beforeCompaction(): Promise<void> {
    await this.#sync();
    const since = Date.now() - this.#pastWatchCreatedAt;
    if (since < CATCH_UP_MS) await sleep(CATCH_UP_MS - since);
  }

  // ---- watches ----

  async #observe(): Promise<void> {
    const observer = this.#a.stream(OBSERVER);
    observer.send({ create_request: { key: '\x00', range_end: '\x00', start_revision: this.#current + 1n } });
    const created = await observer.control(WAIT_MS);
    if (created?.kind !== 'created') throw new Error('the observing watch was not created');
  }

  async #controls(stream: number, what: string): Promise<[Control, Control]> {
    const [a, b] = await Promise.all([
      this.#a.stream(stream).control(WAIT_MS),
      this.#b.stream(stream).control(WAIT_MS),
    ]);
    if (!a && !b) throw new Error(`${what}: neither side answered`);
    if (a?.text !== b?.text || !a || !b) throw new Difference(what, a?.text ?? 'nothing', b?.text ?? 'nothing');
    return [a, b];
  }

  async #createWatch(stream: number, json: JsonMessage): Promise<void> {
    const request = resolveMessage(WATCH_CREATE, json, this.#revisions);
    for (const side of [this.#a, this.#b]) side.stream(stream).send({ create_request: request });
    const what = `watch ${show(request)} at revision ${this.#current}`;
    const [created] = await this.#controls(stream, what);
    if (created.response.canceled) return;
    const start = json['start_revision'] === undefined ? 0n : resolveRevision(json['start_revision'], this.#revisions);
    const filters = (json['filters'] ?? []) as readonly number[];
    const watch: OpenWatch = {
      stream,
      id: created.response.watch_id,
      key: (json['key'] as string) === '' ? '\x00' : (json['key'] as string),
      rangeEnd: (json['range_end'] as string | undefined) ?? '',
      dropped: new Set(filters.map((filter) => (filter === 0 ? 'PUT' : 'DELETE'))),
      from: start > 0n ? start : this.#current + 1n,
      dead: false,
    };
    this.#watches.push(watch);
    if (start <= 0n || start > this.#current) return;
    this.#pastWatchCreatedAt = Date.now();
    if (start >= this.#compacted) return;
    await this.#controls(stream, `${what}, which is compacted`);
    watch.dead = true;
  }

  async #cancelWatch(stream: number, id: bigint): Promise<void> {
    const watch = this.#watches.find((candidate) => candidate.stream === stream && candidate.id === id);
    if (watch) await this.#sync();
    for (const side of [this.#a, this.#b]) side.stream(stream).send({ cancel_request: { watch_id: id } });
    if (!watch) return;
    await this.#controls(stream, `cancel of watch ${id} on stream ${stream}`);
    this.#watches.splice(this.#watches.indexOf(watch), 1);
    for (const side of [this.#a, this.#b]) side.stream(stream).release(id);
  }

  async #progress(stream: number): Promise<void> {
    await this.#sync();
    const watches = this.#watches.filter((watch) => watch.stream === stream);
    const answered = watches.length > 0 && watches.every((watch) => !watch.dead && watch.from <= this.#current + 1n);
    for (const side of [this.#a, this.#b]) {
      const track = side.stream(stream);
      track.send({ progress_request: {} });
      // An answer where none may come is found by the next sync.
      if (!answered) continue;
      let answer: Control | undefined;
      for (let attempt = 0; !answer && attempt < 20; attempt++) {
        if (attempt > 0) track.send({ progress_request: {} });
        answer = await track.control(CATCH_UP_MS);
      }
      const { kind, response } = answer ?? {};
      if (kind !== 'progress' || response?.watch_id !== -1n || response.header.revision !== this.#current) {
        throw new Difference(
          `progress on stream ${stream} of ${side.server.kind}`,
          `revision ${this.#current}`,
          answer?.text ?? 'nothing',
        );
      }
    }
  }

  /** Waits until every watch has all events so far, and compares them with each other and with the observer's. */
  async #sync(): Promise<void> {
    const observer = this.#a.stream(OBSERVER);
    const seen = (): readonly TrackedEvent[] => observer.events(0n);
    // The newest revision is that of the newest event: nothing else makes revisions.
    const newest = (): bigint => seen().at(-1)?.revision ?? this.#observed;
    if (!(await observer.until(() => newest() >= this.#current, WAIT_MS))) {
      throw new Error(`the observer is at ${newest()}, the store at ${this.#current}`);
    }
    this.#observed = newest();
    this.#history.push(...seen());
    observer.forget(0n);
    for (const watch of this.#watches) if (!watch.dead) await this.#compareWatch(watch);
    for (const stream of new Set(this.#watches.map((watch) => watch.stream))) {
      const [a, b] = [this.#a.stream(stream).pendingControls(), this.#b.stream(stream).pendingControls()];
      if (a.length + b.length > 0)
        throw new Difference(
          `unexpected answers on stream ${stream}`,
          a.map((c) => c.text),
          b.map((c) => c.text),
        );
    }
    // What no watch can still be waiting for goes; watches that begin in the past are compared from what they were sent.
    const needed = this.#compacted;
    this.#history = this.#history.filter((event) => event.revision >= needed);
  }

  async #compareWatch(watch: OpenWatch): Promise<void> {
    const expected = this.#history.filter((event) => event.revision >= watch.from && covers(watch, event));
    const sides = [this.#a, this.#b].map((side) => side.stream(watch.stream));
    for (const track of sides) await track.until(() => track.events(watch.id).length >= expected.length, WAIT_MS);
    const [a, b] = sides.map((track) => track.events(watch.id));
    const what = `events of watch ${watch.id} on stream ${watch.stream} from ${watch.from}`;
    const longest = Math.max(a?.length ?? 0, b?.length ?? 0, expected.length);
    for (let i = 0; i < longest; i++) {
      const [left, right, told] = [a?.[i], b?.[i], expected[i]];
      if (left?.text !== right?.text)
        throw new Difference(`${what}, number ${i}`, left?.text ?? 'nothing', right?.text ?? 'nothing');
      if (left?.revision !== told?.revision || left?.key !== told?.key || left?.type !== told?.type) {
        throw new Difference(
          `${what}, number ${i}: the watch and the observer`,
          left?.text ?? 'nothing',
          told?.text ?? 'nothing',
        );
      }
    }
    for (const track of sides) track.forget(watch.id);
    if (watch.from <= this.#current) watch.from = this.#current + 1n;
  }

  /**
   * Waits until both have carried out the last compaction, and that is on their disks: one that is resumed at a start answers its hash
   * at that revision from then on, one that was done before has forgotten it.
   */
  async #compactionsDone(): Promise<void> {
    const revision = this.#compacted;
    if (revision <= this.#compactionDoneAt) return;
    this.#compactionDoneAt = revision;
    const stored = async (side: Side): Promise<boolean> => {
      const answer = await side.call('HashKV', { revision });
      return 'value' in answer && !answer.value.includes(`"compact_revision":"${revision}n"`);
    };
    const deadline = Date.now() + WAIT_MS;
    while (Date.now() < deadline && !(await Promise.all([stored(this.#a), stored(this.#b)])).every(Boolean)) {
      await sleep(50);
    }
    await sleep(FLUSHED_MS);
  }

  async #restart(): Promise<void> {
    await this.#sync();
    // A real etcd that dies before its next commit, every 100 ms, may apply the tail of its log with another outcome than it
    // answered (a put with an unknown lease that has been granted since). Crashes in the middle are another test's business.
    await sleep(300);
    await this.#compactionsDone();
    this.#watches.length = 0;
    await Promise.all([this.#a.restart(), this.#b.restart()]);
    await this.#observe();
    await this.#call('Range', { key: '\x00', range_end: '\x00' });
    await this.#call('LeaseLeases', {});
  }
}

function covers(watch: OpenWatch, event: TrackedEvent): boolean {
  if (watch.dropped.has(event.type)) return false;
  if (watch.rangeEnd === '') return event.key === watch.key;
  return event.key >= watch.key && (watch.rangeEnd === '\x00' || event.key < watch.rangeEnd);
}

/** What etcd up to 3.5 looks for in all puts of a txn before it looks at the ranges, and since 3.6 in their order. */
const PUT_ERROR = /requested lease not found|key not found/;
const RANGE_ERROR = /required revision (is a future revision|has been compacted)/;

function equal(a: Answer, b: Answer): boolean {
  if ('error' in a || 'error' in b) return 'error' in a && 'error' in b && equalErrors(a.error, b.error);
  if ('bytes' in a && 'bytes' in b) return a.bytes === b.bytes;
  return 'value' in a && 'value' in b && a.value === b.value;
}

function equalErrors(a: string, b: string): boolean {
  if (a === b) return true;
  return (PUT_ERROR.test(a) && RANGE_ERROR.test(b)) || (RANGE_ERROR.test(a) && PUT_ERROR.test(b));
}

function shownAnswer(answer: Answer): string {
  if ('error' in answer) return `error ${answer.error}`;
  return 'value' in answer ? answer.value : `${answer.shown} bytes ${answer.bytes}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
