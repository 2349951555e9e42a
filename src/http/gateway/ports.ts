/** The gRPC side as the gateway sees it: every call goes in where those of the wire do. */

/** What the gateway gives for a call: see TransportCall of the RPC layer. */
export interface GatewayTransportCall {
  readonly peer: { readonly address: string; readonly isTls: boolean; readonly commonName: string | undefined };
  readonly metadata: { get(name: string): string | undefined };
  readonly timeoutMs: number | undefined;
  readonly backlogBytes: number;
  sendMessage(head: Uint8Array, tail?: Uint8Array): void;
  sendStatus(code: number, message: string): void;
  sendUnary(message: Uint8Array | { readonly pieces: readonly Uint8Array[]; readonly length: number }): void;
  pauseReading(): void;
  resumeReading(): void;
}

export interface GatewayReceiver {
  message(message: Uint8Array): void;
  halfClosed(): void;
  reset(): void;
  drained(): void;
}

export interface GatewayCalls {
  /** The largest encoded request in bytes. */
  readonly maxReceiveBytes: number;
  open(path: string, call: GatewayTransportCall): GatewayReceiver;
}
