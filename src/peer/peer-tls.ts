/** What TLS between members needs; renewed certificates are used without anybody here knowing. */
import type { Server } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

export interface PeerTls {
  /** A server that is still to be told to listen. It shakes hands, and admits only whom it should. */
  createServer(options: { readonly onSecure: (socket: TLSSocket) => void }): Server;
  /** For one dial: certificate to show, and whom to trust. */
  dialOptions(): ConnectionOptions;
}
