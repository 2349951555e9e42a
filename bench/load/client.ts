import * as rpc from '../../src/gen/rpc.ts';
import type { CallHandler, ClientStream } from './client-stream.ts';
import { Connection } from './connection.ts';
import { grpcFrame } from './grpc-frame.ts';

export const PATH = {
  range: '/etcdserverpb.KV/Range',
  put: '/etcdserverpb.KV/Put',
  txn: '/etcdserverpb.KV/Txn',
  compact: '/etcdserverpb.KV/Compact',
  watch: '/etcdserverpb.Watch/Watch',
  leaseGrant: '/etcdserverpb.Lease/LeaseGrant',
  leaseKeepAlive: '/etcdserverpb.Lease/LeaseKeepAlive',
  hashKv: '/etcdserverpb.Maintenance/HashKV',
  snapshot: '/etcdserverpb.Maintenance/Snapshot',
  defragment: '/etcdserverpb.Maintenance/Defragment',
  status: '/etcdserverpb.Maintenance/Status',
} as const;

/** A call that did not end with grpc-status 0. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly status: number;

  constructor(path: string, status: number, text: string) {
    super(`${path}: ${text}`);
    this.status = status;
  }
}

/** Single calls on one connection, as promises: what a case needs beside its load. */
export class Client {
  readonly connection: Connection;

  static async open(port: number): Promise<Client> {
    return new Client(await Connection.open(port));
  }

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  close(): void {
    this.connection.close();
  }

  /** The encoded answer to an encoded request. */
  unary(path: string, message: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let answer: Uint8Array | undefined;
      this.connection.call(path, grpcFrame(message), {
        collect: true,
        onMessage: (bytes) => {
          answer = Uint8Array.from(bytes);
        },
        onEnd: (status, text) => {
          if (status === 0 && answer !== undefined) resolve(answer);
          else reject(new CallError(path, status, status === 0 ? 'no answer' : text));
        },
      });
    });
  }

  /** All of a stream of responses, thrown away: its number of messages and bytes. */
  drain(path: string, message: Uint8Array): Promise<{ messages: number; bytes: number }> {
    return new Promise((resolve, reject) => {
      let messages = 0;
      let bytes = 0;
      this.connection.call(path, grpcFrame(message), {
        collect: false,
        onMessage: (_message, lengthBytes) => {
          messages++;
          bytes += lengthBytes;
        },
        onEnd: (status, text) => {
          if (status === 0) resolve({ messages, bytes });
          else reject(new CallError(path, status, text));
        },
      });
    });
  }

  open(path: string, handler: CallHandler): ClientStream {
    return this.connection.open(path, handler);
  }

  send(stream: ClientStream, message: Uint8Array): void {
    this.connection.send(stream, grpcFrame(message));
  }

  async range(request: rpc.RangeRequestInit): Promise<rpc.RangeResponse> {
    return rpc.decodeRangeResponse(await this.unary(PATH.range, rpc.encodeRangeRequest(request)));
  }

  async put(request: rpc.PutRequestInit): Promise<rpc.PutResponse> {
    return rpc.decodePutResponse(await this.unary(PATH.put, rpc.encodePutRequest(request)));
  }

  async txn(request: rpc.TxnRequestInit): Promise<rpc.TxnResponse> {
    return rpc.decodeTxnResponse(await this.unary(PATH.txn, rpc.encodeTxnRequest(request)));
  }

  async compact(request: rpc.CompactionRequestInit): Promise<void> {
    await this.unary(PATH.compact, rpc.encodeCompactionRequest(request));
  }

  async leaseGrant(request: rpc.LeaseGrantRequestInit): Promise<bigint> {
    return rpc.decodeLeaseGrantResponse(await this.unary(PATH.leaseGrant, rpc.encodeLeaseGrantRequest(request))).ID;
  }

  /** The store's revision. */
  async revision(): Promise<number> {
    const { header } = await this.range({ key: Uint8Array.of(0), countOnly: true });
    if (header === undefined) throw new Error('an answer without a header');
    return header.revision;
  }

  /** How many keys lie in [key, rangeEnd). */
  async count(range: { key: Uint8Array; rangeEnd: Uint8Array }): Promise<number> {
    return (await this.range({ ...range, countOnly: true })).count;
  }
}
