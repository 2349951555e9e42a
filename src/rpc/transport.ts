/**
 * What stands between the gRPC services and the bytes on the wire. Handlers get encoded requests and give encoded responses;
 * they know nothing of HTTP/2. Transports know nothing of services: they open a call at the Dispatcher and feed it.
 *
 * Bytes. A request belongs to the handler, but it may be a view of a receive buffer of up to 64 KiB: copy what outlives the
 * call. A response belongs to the transport once given away: do not change it afterwards (sharing it is fine).
 */

import type { EtcdError } from '../base/etcd-error.ts';

/** Who is at the other end of a connection. */
export interface Peer {
  /** `host:port`, or the path of a unix socket. */
  readonly address: string;
  readonly isTls: boolean;
  /**
   * Common name of the client certificate, if there is one and it was verified: with client-cert-auth it is the name of a user,
   * so a transport must never fill it from a certificate that was not.
   */
  readonly commonName: string | undefined;
}

/** One call as a handler sees it. */
export interface RpcContext {
  /** `/pkg.Service/Method`. */
  readonly path: string;
  readonly peer: Peer;
  /** Same as peer.address. */
  readonly peerAddress: string;
  readonly metadata: RpcMetadata;
  /** Auth token from metadata `token`, else `authorization`, without `Bearer ` (§2.12). May be the empty string. */
  readonly token: string | undefined;
  /**
   * Of peer, for auth: undefined for a call that the JSON gateway makes for somebody else (metadata `grpcgateway-accept`),
   * whose certificate is the gateway's own.
   */
  readonly commonName: string | undefined;
  /** When the caller stops waiting, on the monotonic clock; undefined = never. */
  readonly deadlineMs: number | undefined;
  /** The caller is gone or its deadline has passed: whatever is answered now goes nowhere. */
  readonly cancelled: boolean;
  /** Runs once when the call becomes cancelled; at once when it already is. Not run when the call ends otherwise. */
  onCancel(callback: () => void): void;
}

export interface RpcMetadata {
  /** The first value of a header; `name` in lower case. One char per byte (latin-1). */
  get(name: string): string | undefined;
}

/** Throws (or rejects with) EtcdError for a status other than OK; any other error is a bug and answers Internal. */
export type UnaryHandler = (ctx: RpcContext, request: Uint8Array) => UnaryResponse | Promise<UnaryResponse>;

export type UnaryResponse = Uint8Array | PiecedMessage;

/** A message in pieces, end to end: one too large to be put together, or copied, without holding up others. */
export class PiecedMessage {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    this.length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  }
}

/** Called with the one request. The call goes on until end() or fail(), whatever the returned promise does; a rejection fails it. */
export type ServerStreamHandler = (call: StreamCall, request: Uint8Array) => void | Promise<void>;

/** Called when the call opens: set onMessage and onHalfClose before returning, or the messages are lost. */
export type BidiHandler = (call: StreamCall) => void | Promise<void>;

/** A call with a stream of responses, and for bidi a stream of requests. */
export interface StreamCall {
  readonly ctx: RpcContext;
  /**
   * Queues one message, the bytes of `head` followed by those of `tail`. Never blocks and never throws; after end, fail or
   * cancellation it does nothing. `tail` may be shared between calls: transports try not to copy it.
   */
  send(head: Uint8Array, tail?: Uint8Array): void;
  /** Bytes queued by send that the socket and the client's flow control have not taken yet. The handler bounds it. */
  readonly backlogBytes: number;
  /** Runs each time backlogBytes falls to DRAIN_MARK_BYTES or less after having been above. One callback; the last set wins. */
  onDrain(callback: () => void): void;
  onMessage(callback: (message: Uint8Array) => void): void;
  /** The client has sent its last message. */
  onHalfClose(callback: () => void): void;
  /** Ends the call with OK after everything queued. */
  end(): void;
  /** Ends the call with this status after everything queued. */
  fail(error: EtcdError): void;
  /** Stops taking messages from the client, so that flow control holds it back. A few may still arrive. */
  pauseReading(): void;
  resumeReading(): void;
}

/** See StreamCall.onDrain. */
export const DRAIN_MARK_BYTES = 64 * 1024;

// ---- Below: between transports and the Dispatcher. ----

/** One call as its transport offers it to the Dispatcher. Calling anything after the call is over does nothing. */
export interface TransportCall {
  readonly peer: Peer;
  readonly metadata: RpcMetadata;
  /** From grpc-timeout; undefined = none. */
  readonly timeoutMs: number | undefined;
  readonly backlogBytes: number;
  /** Headers if not sent yet, then the message. */
  sendMessage(head: Uint8Array, tail?: Uint8Array): void;
  /** Ends the call with trailers after all messages. `code` 0 has no message. */
  sendStatus(code: number, message: string): void;
  /** sendMessage and an OK status in one. */
  sendUnary(message: UnaryResponse): void;
  pauseReading(): void;
  resumeReading(): void;
}

/** The Dispatcher's side of an open call: the transport reports here, in order. */
export interface CallReceiver {
  message(message: Uint8Array): void;
  halfClosed(): void;
  /** The client reset the stream, or the connection broke. Nothing follows. */
  reset(): void;
  /** See DRAIN_MARK_BYTES. */
  drained(): void;
  /** Bytes of the request that it works on. */
  readonly heldBytes?: number;
}

/** Accepts calls from transports. */
export interface CallOpener {
  /** The largest request message in bytes, after decompression. */
  readonly maxReceiveBytes: number;
  /** `path` as in `:path`. May answer the call before returning. */
  open(path: string, call: TransportCall): CallReceiver;
}
