/** The npm gRPC client with encoded messages in and out. */

import * as grpc from '@grpc/grpc-js';

const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

export interface Answer {
  readonly code: number;
  readonly details: string;
  readonly messages: Buffer[];
}

export interface CallOptions {
  readonly metadata?: Record<string, string>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class EchoClient {
  readonly grpc: grpc.Client;

  constructor(target: string | number, options: grpc.ClientOptions = {}) {
    const address = typeof target === 'number' ? `127.0.0.1:${target}` : target;
    this.grpc = new grpc.Client(address, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      ...options,
    });
  }

  close(): void {
    this.grpc.close();
  }

  /** Never rejects: the status is part of the answer. */
  unary(method: string, request: Uint8Array, options: CallOptions = {}): Promise<Answer> {
    return new Promise((resolve) => {
      const path = method.startsWith('/') ? method : `/t.Echo/${method}`;
      const call = this.grpc.makeUnaryRequest(
        path,
        identity,
        identity,
        request,
        metadataOf(options),
        callOptions(options),
        (error, response) => {
          if (error !== null) resolve({ code: error.code, details: error.details, messages: [] });
          else resolve({ code: 0, details: '', messages: response === undefined ? [] : [response] });
        },
      );
      options.signal?.addEventListener('abort', () => call.cancel());
    });
  }

  serverStream(method: string, request: Uint8Array, options: CallOptions = {}): grpc.ClientReadableStream<Buffer> {
    const path = `/t.Echo/${method}`;
    return this.grpc.makeServerStreamRequest(
      path,
      identity,
      identity,
      request,
      metadataOf(options),
      callOptions(options),
    );
  }

  bidi(method: string, options: CallOptions = {}): grpc.ClientDuplexStream<Uint8Array, Buffer> {
    const path = `/t.Echo/${method}`;
    return this.grpc.makeBidiStreamRequest(path, identity, identity, metadataOf(options), callOptions(options));
  }
}

/** Everything that comes until the end. */
export function collect(
  call: grpc.ClientReadableStream<Buffer> | grpc.ClientDuplexStream<Uint8Array, Buffer>,
): Promise<Answer> {
  return new Promise((resolve) => {
    const messages: Buffer[] = [];
    call.on('data', (message: Buffer) => messages.push(message));
    call.on('error', () => {});
    call.on('status', (status: grpc.StatusObject) => resolve({ code: status.code, details: status.details, messages }));
  });
}

function metadataOf(options: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function callOptions(options: CallOptions): grpc.CallOptions {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}
