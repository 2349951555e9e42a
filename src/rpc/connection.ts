/** Connections as listeners hand them on, and who they come from. */

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Peer } from './transport.ts';

/** Takes over accepted connections; what the client has sent already is still to be read from the socket. */
export interface ConnectionSink {
  accept(socket: Socket): void;
}

export function peerOf(socket: Socket): Peer {
  const isTls = socket instanceof TLSSocket;
  const commonName = isTls && socket.authorized ? first(socket.getPeerCertificate().subject?.CN) : undefined;
  return { address: addressOf(socket), isTls, commonName };
}

function addressOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) return '@';
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
