/** The peer port, for somebody who can reach it and knows the id of the cluster, which it tells everybody. */
import { encodeMessage, MessageType } from '../../../src/gen/raftpb.ts';
import type { Attack, AttackRun } from '../attack.ts';
import { flood, type FloodOptions } from '../flood.ts';

function peerFlood(run: AttackRun, options: Omit<FloodOptions, 'port'>): Promise<void> {
  return flood(run, { ...options, port: run.target.peerPort });
}

/** What members put before their requests. */
function head({ target }: AttackRun, line: string, more: Record<string, string> = {}): string {
  const fields: Record<string, string> = {
    Host: 'x',
    'X-Etcd-Cluster-ID': target.clusterId,
    'X-Server-From': '1234',
    'X-Server-Version': target.version,
    'X-Min-Cluster-Version': '3.0.0',
    'X-Raft-To': target.memberId,
    ...more,
  };
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${text.join('')}\r\n`;
}

function uint64(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

export const PEER_ATTACKS: readonly Attack[] = [
  {
    name: 'peer-garbage',
    what: 'bytes that are no HTTP, on the peer port',
    run: (run) => peerFlood(run, { connections: 20, reads: true, next: () => Buffer.alloc(4096, 0xa5) }),
  },
  {
    name: 'peer-connections',
    what: '4,500 connections that say nothing, on the peer port',
    run: (run) => peerFlood(run, { connections: 4500 }),
  },
  {
    name: 'peer-slow-headers',
    what: '500 requests whose headers never end, on the peer port',
    run: (run) =>
      peerFlood(run, {
        connections: 500,
        greeting: Buffer.from('GET /raft/stream/msgapp/1 HTTP/1.1\r\n'),
        next: (step) => Buffer.from(`X-${step}: y\r\n`),
        pauseMs: 200,
      }),
  },
  {
    name: 'peer-wrong-cluster',
    what: 'requests of a member of another cluster',
    run: (run) => {
      const one = head(run, 'GET /raft/stream/message/1234', { 'X-Etcd-Cluster-ID': 'abc' });
      return peerFlood(run, { connections: 8, reads: true, next: () => Buffer.from(one.repeat(100)) });
    },
  },
  {
    name: 'peer-many-members',
    what: 'messages of members that do not exist, each with an address to answer to',
    run: (run) =>
      peerFlood(run, {
        connections: 8,
        reads: true,
        next: (step) => {
          const body = Buffer.from(
            encodeMessage({
              type: MessageType.MsgHeartbeatResp,
              from: BigInt(step + 1),
              to: BigInt(`0x${run.target.memberId}`),
              term: 1,
            }),
          );
          const from = (step + 1).toString(16);
          const fields = {
            'X-Server-From': from,
            'X-PeerURLs': `http://127.0.0.1:9/${from}`,
            'Content-Length': String(body.length),
          };
          return Buffer.concat([Buffer.from(head(run, 'POST /raft', fields)), body]);
        },
      }),
  },
  {
    name: 'peer-huge-posts',
    what: 'messages of 500 MB each, which come as fast as they go and do not end',
    limits: { memoryMb: 1500 },
    run: (run) => {
      const bytes = Buffer.alloc(1 << 20);
      return peerFlood(run, {
        connections: 8,
        greeting: Buffer.from(head(run, 'POST /raft', { 'Content-Length': '500000000' })),
        next: () => bytes,
      });
    },
  },
  {
    name: 'peer-snapshot-message',
    what: 'snapshots whose message announces 500 MB',
    limits: { memoryMb: 1500 },
    run: (run) => {
      const bytes = Buffer.alloc(1 << 20);
      return peerFlood(run, {
        connections: 8,
        greeting: Buffer.concat([
          Buffer.from(head(run, 'POST /raft/snapshot', { 'Content-Length': '900000000' })),
          uint64(500_000_000),
        ]),
        next: () => bytes,
      });
    },
  },
  {
    name: 'peer-snapshot-garbage',
    what: 'snapshots whose message announces more than there can be',
    run: (run) => {
      const bytes = Buffer.alloc(65_536);
      return peerFlood(run, {
        connections: 8,
        reads: true,
        greeting: Buffer.concat([
          Buffer.from(head(run, 'POST /raft/snapshot', { 'Transfer-Encoding': 'chunked' })),
          Buffer.from('8\r\n'),
          Buffer.alloc(8, 0xff),
          Buffer.from('\r\n10000\r\n'),
        ]),
        next: () => bytes,
      });
    },
  },
  {
    name: 'peer-version',
    what: 'what everybody may ask, thousands of times in one piece',
    run: (run) => {
      const many = Buffer.from('GET /members HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000));
      return peerFlood(run, { connections: 4, reads: true, next: () => many });
    },
  },
  {
    name: 'peer-hash-kv',
    what: 'hashes of everything, asked for on the peer port in one piece',
    largeKeys: 16,
    run: (run) => {
      const one = `GET /members/hashkv HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"revision":0}`;
      return peerFlood(run, { connections: 4, reads: true, next: () => Buffer.from(one.repeat(100)) });
    },
  },
];
