/** Who calls, as the transport tells it: nothing of it is proved but the common name. */
export interface Caller {
  readonly token: string | undefined;
  /** Of the verified client certificate; undefined where there is none, or where it is the gateway's and not the client's. */
  readonly commonName: string | undefined;
  /** Nobody waits for the answer any more. */
  readonly cancelled: boolean;
  /** Of its connection. */
  readonly peerAddress?: string;
}

/** This server itself, for requests of its own: may do everything. */
export const SELF: Caller = { token: undefined, commonName: undefined, cancelled: false };
