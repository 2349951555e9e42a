/** Members and hashes as JSON, the way etcd writes it. Ids are bare numbers beyond 2^53, which JSON.parse would round. */
import { utf8Encode } from '../base/utf8.ts';
import type { HashKVResponse, ResponseHeader } from '../gen/rpc.ts';
import { decodeMember, encodeMember, type Member } from '../membership/member.ts';
import type { PeerVersions } from '../server/peer-transport.ts';

/** In text, this cannot occur inside a string: there the quotes are escaped. */
const ID_FIELD = /"(id|cluster_id|member_id)"\s*:\s*(\d+)/g;

export function membersJson(members: readonly Member[]): string {
  const items = members.map((member) => Buffer.from(encodeMember(member)).toString('utf8'));
  return `[${items.join(',')}]\n`;
}

/** Throws SyntaxError if it is no list of members. */
export function parseMembers(text: string): Member[] {
  const parsed = parseWithIds(text);
  if (!Array.isArray(parsed)) throw new SyntaxError('not a list of members');
  return parsed.map((item) => {
    const { id, ...rest } = fieldsOf(item);
    return decodeMember(utf8Encode(`{"id":${String(id)},${JSON.stringify(rest).slice(1)}`));
  });
}

export function versionsJson({ server, cluster, storage }: PeerVersions): string {
  return JSON.stringify({
    etcdserver: server,
    etcdcluster: cluster ?? 'not_decided',
    storage: storage ?? 'unknown',
  });
}

/** Throws SyntaxError if it is no version. */
export function parseVersions(text: string): PeerVersions {
  const { etcdserver, etcdcluster, storage } = fieldsOf(JSON.parse(text));
  if (typeof etcdserver !== 'string') throw new SyntaxError('no server version');
  return {
    server: etcdserver,
    cluster: typeof etcdcluster === 'string' && etcdcluster !== 'not_decided' ? etcdcluster : undefined,
    storage: typeof storage === 'string' && storage !== 'unknown' ? storage : undefined,
  };
}

/** Zero fields are left out. */
export function hashKvJson({ header, hash, compactRevision, hashRevision }: HashKVResponse): string {
  const fields: string[] = [];
  if (header !== undefined) fields.push(`"header":${headerJson(header)}`);
  pushNumber(fields, 'hash', hash);
  pushNumber(fields, 'compact_revision', compactRevision);
  pushNumber(fields, 'hash_revision', hashRevision);
  return `{${fields.join(',')}}`;
}

/** Throws SyntaxError if it is no hash. */
export function parseHashKv(text: string): HashKVResponse {
  const fields = fieldsOf(parseWithIds(text));
  const header = fields['header'] === undefined ? undefined : fieldsOf(fields['header']);
  return {
    header: header && {
      clusterId: idOf(header['cluster_id']),
      memberId: idOf(header['member_id']),
      revision: numberOf(header['revision']),
      raftTerm: numberOf(header['raft_term']),
    },
    hash: numberOf(fields['hash']),
    compactRevision: numberOf(fields['compact_revision']),
    hashRevision: numberOf(fields['hash_revision']),
  };
}

/** Of the request for a hash. Throws SyntaxError. */
export function parseRevision(text: string): number {
  return numberOf(fieldsOf(JSON.parse(text))['revision']);
}

function headerJson({ clusterId, memberId, revision, raftTerm }: ResponseHeader): string {
  const fields: string[] = [];
  pushNumber(fields, 'cluster_id', clusterId);
  pushNumber(fields, 'member_id', memberId);
  pushNumber(fields, 'revision', revision);
  pushNumber(fields, 'raft_term', raftTerm);
  return `{${fields.join(',')}}`;
}

function pushNumber(fields: string[], name: string, value: number | bigint): void {
  if (BigInt(value) !== 0n) fields.push(`"${name}":${value}`);
}

function parseWithIds(text: string): unknown {
  return JSON.parse(text.replace(ID_FIELD, '"$1":"$2"'));
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new SyntaxError('not an object');
  return value as Record<string, unknown>;
}

function idOf(value: unknown): bigint {
  return typeof value === 'string' && /^\d+$/.test(value) ? BigInt(value) : 0n;
}

function numberOf(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new SyntaxError('not a number');
  return value;
}
