/** Who belongs to the cluster, as the applied log says. */
import { assert } from '../base/assert.ts';
import { etcdError } from '../base/etcd-error.ts';
import { utf8Encode } from '../base/utf8.ts';
import { decodeMember, encodeMember, type Member } from './member.ts';
import { decodeText } from './text.ts';
import { NO_DOWNGRADE, type Downgrade } from './versions.ts';

/** Where the cluster keeps itself: rows of the backend's tables of the same names. */
export interface ClusterTables {
  put(table: 'members' | 'membersRemoved' | 'cluster', key: Uint8Array, value: Uint8Array): void;
  delete(table: 'members', key: Uint8Array): void;
  rows(table: 'members' | 'membersRemoved' | 'cluster'): Iterable<{ key: Uint8Array; value: Uint8Array }>;
}

/** What a conf change asks for. Of a member to remove or to promote only the id counts. */
export interface MemberChange {
  readonly kind: 'add' | 'remove' | 'update' | 'promote';
  readonly member: Member;
}

const CLUSTER_VERSION_KEY = utf8Encode('clusterVersion');
const DOWNGRADE_KEY = utf8Encode('downgrade');
const REMOVED_MARK = utf8Encode('removed');

/** A member's id as text: lower-case hex without padding. */
export function idText(id: bigint): string {
  return id.toString(16);
}

export class Cluster {
  readonly #tables: ClusterTables;
  readonly #members = new Map<bigint, Member>();
  /** An id that was removed can never be used again. */
  readonly #removed = new Set<bigint>();
  /** `3.6.0`; undefined until the leader has set it. */
  #version: string | undefined;
  #downgrade = NO_DOWNGRADE;

  /** Reads what the tables hold. */
  constructor(tables: ClusterTables) {
    this.#tables = tables;
    for (const { value } of tables.rows('members')) {
      const { isPromote: _, ...member } = decodeMember(value);
      this.#members.set(member.id, member);
    }
    for (const { key } of tables.rows('membersRemoved')) this.#removed.add(BigInt(`0x${decodeText(key)}`));
    for (const { key, value } of tables.rows('cluster')) {
      if (decodeText(key) === 'clusterVersion') this.#version = decodeText(value);
      if (decodeText(key) === 'downgrade') this.#downgrade = decodeDowngrade(value);
    }
  }

  get version(): string | undefined {
    return this.#version;
  }

  get downgrade(): Downgrade {
    return this.#downgrade;
  }

  /** Ascending by id. */
  members(): Member[] {
    return [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  member(id: bigint): Member | undefined {
    return this.#members.get(id);
  }

  removed(): bigint[] {
    return [...this.#removed];
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  /** Throws MemberExist or MemberNotFound where the id was used before, PeerURLExist where a URL is in use. */
  checkAdd(member: Member): void {
    if (this.#removed.has(member.id)) throw etcdError('MemberNotFound');
    if (this.#members.has(member.id)) throw etcdError('MemberExist');
    this.#checkUrls(member);
  }

  /** Voters, ascending by id. */
  voters(): Member[] {
    return this.members().filter(({ isLearner }) => !isLearner);
  }

  /** Whether a change of the members that came through the log can be carried out; throws what its proposer is told. */
  checkChange(change: MemberChange, learnersMax: number): void {
    const { kind, member } = change;
    if (this.#removed.has(member.id)) throw etcdError('MemberNotFound');
    if (kind === 'add') {
      this.checkAdd(member);
      const learners = this.#members.size - this.voters().length;
      if (member.isLearner && learners >= learnersMax) throw etcdError('TooManyLearners');
      return;
    }
    const current = this.#members.get(member.id);
    if (current === undefined) throw etcdError('MemberNotFound');
    if (kind === 'promote' && !current.isLearner) throw etcdError('MemberNotLearner');
    if (kind === 'update') this.#checkUrls(member);
  }

  #checkUrls(member: Member): void {
    const others = [...this.#members.values()].filter(({ id }) => id !== member.id);
    const used = new Set(others.flatMap(({ peerURLs }) => [...peerURLs]));
    if (member.peerURLs.some((url) => used.has(url))) throw etcdError('PeerURLExist');
  }

  add(member: Member): void {
    assert(!this.#removed.has(member.id), 'a removed member cannot come back', { id: idText(member.id) });
    this.#store({ ...member });
  }

  remove(id: bigint): void {
    this.#members.delete(id);
    this.#removed.add(id);
    this.#tables.delete('members', utf8Encode(idText(id)));
    this.#tables.put('membersRemoved', utf8Encode(idText(id)), REMOVED_MARK);
  }

  promote(id: bigint): void {
    this.#change(id, { isLearner: false });
  }

  updatePeerURLs(id: bigint, peerURLs: readonly string[]): void {
    this.#change(id, { peerURLs });
  }

  /** What a member says of itself once it runs: from then on it counts as started. */
  updateAttributes(id: bigint, name: string, clientURLs: readonly string[]): void {
    if (this.#removed.has(id)) return;
    this.#change(id, { name, clientURLs });
  }

  setVersion(version: string): void {
    this.#version = version;
    this.#tables.put('cluster', CLUSTER_VERSION_KEY, utf8Encode(version));
  }

  setDowngrade(downgrade: Downgrade): void {
    this.#downgrade = downgrade;
    const { targetVersion, isEnabled } = downgrade;
    const json = JSON.stringify({ 'target-version': targetVersion, enabled: isEnabled });
    this.#tables.put('cluster', DOWNGRADE_KEY, utf8Encode(json));
  }

  #change(id: bigint, change: Partial<Member>): void {
    const member = this.#members.get(id);
    assert(member !== undefined, 'change of an unknown member', { id: idText(id) });
    this.#store({ ...member, ...change });
  }

  #store(member: Member): void {
    this.#members.set(member.id, member);
    this.#tables.put('members', utf8Encode(idText(member.id)), encodeMember(member));
  }
}

/** Throws SyntaxError when it is not a downgrade's JSON. */
function decodeDowngrade(bytes: Uint8Array): Downgrade {
  const fields = JSON.parse(decodeText(bytes)) as Record<string, unknown> | null;
  const target = fields?.['target-version'];
  return fields?.['enabled'] === true && typeof target === 'string'
    ? { isEnabled: true, targetVersion: target }
    : NO_DOWNGRADE;
}
