/**
 * The members in the form of etcd's first store, which members up to 3.6 expect in a snapshot's message: from it they learn who
 * belongs to the cluster (etcd-behaviour §9.5).
 */
import { utf8Encode } from '../base/utf8.ts';
import type { Cluster } from '../membership/cluster.ts';

interface Node {
  readonly Path: string;
  readonly CreatedIndex: number;
  readonly ModifiedIndex: number;
  readonly ExpireTime: string;
  readonly Value: string;
  readonly Children: Readonly<Record<string, Node>> | null;
}

export function encodeLegacyStore(cluster: Cluster): Uint8Array {
  const members = cluster.members().map(({ id, peerURLs, isLearner, name, clientURLs }) => {
    const raft = JSON.stringify({ peerURLs, ...(isLearner ? { isLearner } : {}) });
    const parts: Record<string, string> = { raftAttributes: raft };
    if (name !== '') parts['attributes'] = JSON.stringify({ name, clientURLs });
    return [hex(id), parts] as const;
  });
  const memberNodes = members.map(([id, parts]) => {
    const path = `/0/members/${id}`;
    const values = Object.entries(parts).map(([key, value]) => [key, valueNode(`${path}/${key}`, value)] as const);
    return [id, dirNode(path, values)] as const;
  });
  const removed = cluster
    .removed()
    .map((id) => [hex(id), valueNode(`/0/removed_members/${hex(id)}`, 'removed')] as const);
  const children: (readonly [string, Node])[] = [
    ['members', dirNode('/0/members', memberNodes)],
    ['removed_members', dirNode('/0/removed_members', removed)],
  ];
  if (cluster.version !== undefined) children.push(['version', valueNode('/0/version', cluster.version)]);
  const root = dirNode('/', [
    ['0', dirNode('/0', children)],
    ['1', dirNode('/1', [])],
  ]);
  return utf8Encode(JSON.stringify({ Root: root, CurrentIndex: 1, CurrentVersion: 2 }));
}

function hex(id: bigint): string {
  return id.toString(16);
}

function dirNode(path: string, children: readonly (readonly [string, Node])[]): Node {
  return { ...NODE, Path: path, Children: Object.fromEntries(children) };
}

function valueNode(path: string, value: string): Node {
  return { ...NODE, Path: path, Value: value };
}

const NODE: Node = {
  Path: '',
  CreatedIndex: 1,
  ModifiedIndex: 1,
  ExpireTime: '0001-01-01T00:00:00Z',
  Value: '',
  Children: null,
};
