import * as grpc from '@grpc/grpc-js';
import type * as api from './api-messages.ts';
import { decode, encode, type MethodShape, methodShape, type Plain } from './proto-codec.ts';
import { StreamInbox } from './stream-inbox.ts';

/** An answer other than OK, exactly as it came over the wire. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** A stream whose responses are taken with next(); `send` is for streams that the client may write to. */
export class ApiStream<Request, Response> extends StreamInbox<Response> {
  readonly #call: grpc.ClientDuplexStream<Request, Response> | grpc.ClientReadableStream<Response>;

  constructor(call: grpc.ClientDuplexStream<Request, Response> | grpc.ClientReadableStream<Response>) {
    super();
    this.#call = call;
    call.on('data', (message: Response) => this.push(message));
    call.on('error', (error: grpc.ServiceError) => this.finish(new RpcError(error.code, error.details)));
    call.on('end', () => this.finish(undefined));
  }

  send(message: Request): void {
    if (!('write' in this.#call)) throw new Error('this stream has no requests');
    this.#call.write(message);
  }

  /** Half-closes: no more requests. */
  endRequests(): void {
    if ('end' in this.#call) this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

const UNARY_TIMEOUT_MS = 20_000;

const identity = (bytes: Buffer): Buffer => bytes;

/** A thin gRPC client for etcd's API: one method per RPC, messages in and out as in api-messages.ts, no retries. */
export class RawClient {
  readonly endpoint: string;
  readonly #client: grpc.Client;
  readonly #shapes = new Map<string, MethodShape>();
  /** Goes with every call that has none of its own: `token`, for a server with authentication on. */
  metadata: Readonly<Record<string, string>> = {};
  /** Of unary calls that have no other. */
  timeoutMs = UNARY_TIMEOUT_MS;

  constructor(
    endpoint: string,
    options: grpc.ClientOptions = {},
    credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
  ) {
    this.endpoint = endpoint;
    this.#client = new grpc.Client(endpoint, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // Two clients of one process must be two connections.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
      ...options,
    });
  }

  close(): void {
    this.#client.close();
  }

  /** Waits until the connection is up. */
  async ready(timeoutMs = 5_000): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The encoded answer to an encoded request. */
  unaryBytes(path: string, request: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        identity,
        identity,
        Buffer.from(request),
        metadataOf(this.metadata, options),
        { deadline: Date.now() + (options.timeoutMs ?? this.timeoutMs) },
        (error, response) => {
          if (error) reject(new RpcError(error.code, error.details));
          else resolve(response ?? Buffer.alloc(0));
        },
      );
    });
  }

  async unary<Response>(
    service: string,
    method: string,
    request: object,
    options: CallOptions = {},
  ): Promise<Response> {
    const shape = this.#shape(service, method);
    const bytes = await this.unaryBytes(shape.path, encode(shape.request, request as Plain), options);
    return decode(shape.response, bytes) as Response;
  }

  serverStream<Response>(
    service: string,
    method: string,
    request: object,
    options: CallOptions = {},
  ): ApiStream<never, Response> {
    const shape = this.#shape(service, method);
    const call = this.#client.makeServerStreamRequest<object, Response>(
      shape.path,
      (message) => encode(shape.request, message as Plain),
      (bytes) => decode(shape.response, bytes) as Response,
      request,
      metadataOf(this.metadata, options),
      streamOptionsOf(options),
    );
    return new ApiStream(call);
  }

  bidiStream<Request extends object, Response>(
    service: string,
    method: string,
    options: CallOptions = {},
  ): ApiStream<Request, Response> {
    const shape = this.#shape(service, method);
    const call = this.#client.makeBidiStreamRequest<Request, Response>(
      shape.path,
      (message) => encode(shape.request, message as Plain),
      (bytes) => decode(shape.response, bytes) as Response,
      metadataOf(this.metadata, options),
      streamOptionsOf(options),
    );
    return new ApiStream(call);
  }

  // ---- KV ----

  range(request: api.RangeRequest, options?: CallOptions): Promise<api.RangeResponse> {
    return this.unary('etcdserverpb.KV', 'Range', request, options);
  }

  rangeStream(request: api.RangeRequest, options?: CallOptions): ApiStream<never, api.RangeStreamResponse> {
    return this.serverStream('etcdserverpb.KV', 'RangeStream', request, options);
  }

  put(request: api.PutRequest, options?: CallOptions): Promise<api.PutResponse> {
    return this.unary('etcdserverpb.KV', 'Put', request, options);
  }

  deleteRange(request: api.DeleteRangeRequest, options?: CallOptions): Promise<api.DeleteRangeResponse> {
    return this.unary('etcdserverpb.KV', 'DeleteRange', request, options);
  }

  txn(request: api.TxnRequest, options?: CallOptions): Promise<api.TxnResponse> {
    return this.unary('etcdserverpb.KV', 'Txn', request, options);
  }

  compact(request: api.CompactionRequest, options?: CallOptions): Promise<api.HeaderOnly> {
    return this.unary('etcdserverpb.KV', 'Compact', request, options);
  }

  // ---- Watch ----

  watch(options?: CallOptions): ApiStream<api.WatchRequest, api.WatchResponse> {
    return this.bidiStream('etcdserverpb.Watch', 'Watch', options);
  }

  // ---- Lease ----

  leaseGrant(request: api.LeaseGrantRequest, options?: CallOptions): Promise<api.LeaseGrantResponse> {
    return this.unary('etcdserverpb.Lease', 'LeaseGrant', request, options);
  }

  leaseRevoke(id: api.Int, options?: CallOptions): Promise<api.HeaderOnly> {
    return this.unary('etcdserverpb.Lease', 'LeaseRevoke', { ID: id }, options);
  }

  leaseKeepAlive(options?: CallOptions): ApiStream<{ ID?: api.Int }, api.LeaseKeepAliveResponse> {
    return this.bidiStream('etcdserverpb.Lease', 'LeaseKeepAlive', options);
  }

  leaseTimeToLive(request: api.LeaseTimeToLiveRequest, options?: CallOptions): Promise<api.LeaseTimeToLiveResponse> {
    return this.unary('etcdserverpb.Lease', 'LeaseTimeToLive', request, options);
  }

  leaseLeases(options?: CallOptions): Promise<api.LeaseLeasesResponse> {
    return this.unary('etcdserverpb.Lease', 'LeaseLeases', {}, options);
  }

  // ---- Cluster and Maintenance ----

  memberList(request: { linearizable?: boolean } = {}, options?: CallOptions): Promise<api.MembersResponse> {
    return this.unary('etcdserverpb.Cluster', 'MemberList', request, options);
  }

  alarm(request: api.AlarmRequest, options?: CallOptions): Promise<api.AlarmResponse> {
    return this.unary('etcdserverpb.Maintenance', 'Alarm', request, options);
  }

  status(options?: CallOptions): Promise<api.StatusResponse> {
    return this.unary('etcdserverpb.Maintenance', 'Status', {}, options);
  }

  defragment(options?: CallOptions): Promise<Partial<api.HeaderOnly>> {
    return this.unary('etcdserverpb.Maintenance', 'Defragment', {}, options);
  }

  hash(options?: CallOptions): Promise<api.HashResponse> {
    return this.unary('etcdserverpb.Maintenance', 'Hash', {}, options);
  }

  hashKv(revision: api.Int = 0, options?: CallOptions): Promise<api.HashKVResponse> {
    return this.unary('etcdserverpb.Maintenance', 'HashKV', { revision }, options);
  }

  snapshot(options?: CallOptions): ApiStream<never, api.SnapshotResponse> {
    return this.serverStream('etcdserverpb.Maintenance', 'Snapshot', {}, options);
  }

  moveLeader(targetID: api.Int, options?: CallOptions): Promise<Partial<api.HeaderOnly>> {
    return this.unary('etcdserverpb.Maintenance', 'MoveLeader', { targetID }, options);
  }

  downgrade(action: string | number, version: string, options?: CallOptions): Promise<api.DowngradeResponse> {
    return this.unary('etcdserverpb.Maintenance', 'Downgrade', { action, version }, options);
  }

  #shape(service: string, method: string): MethodShape {
    const name = `${service}/${method}`;
    let shape = this.#shapes.get(name);
    if (!shape) {
      shape = methodShape(service, method);
      this.#shapes.set(name, shape);
    }
    return shape;
  }
}

function metadataOf(always: Readonly<Record<string, string>>, options: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(options.metadata ?? always)) metadata.set(name, value);
  return metadata;
}

/** Streams live until they are cancelled, unless a deadline is asked for. */
function streamOptionsOf(options: CallOptions): grpc.CallOptions {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}
