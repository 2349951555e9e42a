/**
 * The one log that all members apply. Whatever any process applies at an index is what every process has to apply there,
 * before and after crashes: an acknowledged entry that is lost shows as another entry in its place. And nothing gets into it
 * that nobody asked for.
 */
import { equalBytes } from '../../../src/base/bytes.ts';
import { decodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import type { Entry } from '../../../src/gen/raftpb.ts';
import { type Applied, describeEntry, ReferenceMember } from '../model/reference-member.ts';
import { require } from '../world/violation.ts';

/** A request that a client has sent. */
interface Invoked {
  readonly request: Uint8Array;
  /** The client was told that the server never saw it. */
  refused: boolean;
}

export class CommittedLog {
  readonly reference: ReferenceMember;
  /** By tag. */
  readonly #invoked = new Map<number, Invoked>();
  readonly #applied = new Map<number, Applied>();
  #lastTerm = 0;

  constructor(ttlSecondsMin: number) {
    this.reference = new ReferenceMember(ttlSecondsMin);
  }

  invoked(tag: number, request: Uint8Array): void {
    this.#invoked.set(tag, { request, refused: false });
  }

  refused(tag: number): void {
    const invoked = this.#invoked.get(tag);
    if (invoked !== undefined) invoked.refused = true;
    require(!this.#applied.has(tag), 'refused, yet applied', () => `request #${tag}`);
  }

  appliedOf(tag: number): Applied | undefined {
    return this.#applied.get(tag);
  }

  /** Somebody is about to apply `entry`. Returns what it brings where nobody has applied it before. */
  add(entry: Entry): Applied | undefined {
    const known = this.reference.knows(entry);
    if (known === true) return undefined;
    const { index } = this.reference;
    require(known === undefined, 'log agreement', () => `${describeEntry(entry)} in place of another one`);
    require(entry.index === index + 1, 'gap in the log', () => `${describeEntry(entry)} follows index ${index}`);
    require(entry.term >= this.#lastTerm, 'terms go back', () =>
      `${describeEntry(entry)} follows term ${this.#lastTerm}`);
    this.#lastTerm = entry.term;
    const applied = this.reference.apply(entry);
    if (applied.tag !== undefined) this.#addTagged(applied.tag, applied, entry);
    return applied;
  }

  #addTagged(tag: number, applied: Applied, entry: Entry): void {
    const invoked = this.#invoked.get(tag);
    require(invoked !== undefined, 'invented', () => `nobody asked for ${describeEntry(entry)}`);
    require(!invoked.refused, 'refused, yet applied', () => describeEntry(entry));
    require(!this.#applied.has(tag), 'applied twice', () => describeEntry(entry));
    const { put, deleteRange, txn, compaction } = decodeInternalRaftRequest(entry.data);
    const request = put ?? deleteRange ?? txn ?? compaction;
    const isSame = request !== undefined && equalBytes(request, invoked.request);
    require(isSame, 'altered', () => `${describeEntry(entry)} is not what was asked for`);
    this.#applied.set(tag, applied);
  }
}
