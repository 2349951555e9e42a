/** Connections as listeners hand them on, and who they come from. */

import type { Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Peer } from './transport.ts';

/** Takes over accepted connections; what the client has sent already is still to be read from the socket. */
export interface ConnectionSink {
  accept(socket: Socket): void;
}

/** TLS for listeners: shakes hands, and verifies who connects. */
export interface ListenerTls {
  /** A server that is still to be told to listen. `chooseProtocol`: of those a client offers; undefined ends the handshake. */
  createServer(options: {
    readonly chooseProtocol: (offered: readonly string[]) => string | undefined;
    readonly onSecure: (socket: TLSSocket) => void;
  }): Server;
}

export function peerOf(socket: Socket): Peer {
  const isTls = socket instanceof TLSSocket;
  const commonName = isTls && socket.authorized ? (last(socket.getPeerCertificate().subject?.CN) ?? '') : undefined;
  return { address: addressOf(socket), isTls, commonName };
}

function addressOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) return '@';
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

function last(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.at(-1) : value;
}
