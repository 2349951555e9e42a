/** Listens, shakes hands, verifies who connects, and hands on the connections that stood all of it. */
import net, { type Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import type { FileBacked } from './file-backed.ts';
import type { Credentials } from './credentials.ts';
import { HandshakeGate } from './handshake-gate.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface TlsServerOptions {
  readonly credentials: FileBacked<Credentials>;
  readonly requiresCertificate: boolean;
  /** Which of the protocols that a client offers is taken; undefined: none, and the handshake fails. Without: none is named. */
  readonly chooseProtocol?: ((offered: readonly string[]) => string | undefined) | undefined;
  /** Resolves with why the connection is refused although its handshake succeeded, or undefined. */
  readonly whyRefused: (socket: TLSSocket) => Promise<string | undefined>;
  readonly onSecure: (socket: TLSSocket) => void;
  /** `socket` undefined: before its handshake began. */
  readonly onRejected: (socket: TLSSocket | undefined, remote: string, error: string) => void;
}

/** The server is still to be told to listen. */
export function createTlsServer(options: TlsServerOptions): net.Server {
  const { credentials, requiresCertificate, chooseProtocol, onRejected } = options;
  let inUse = credentials.lastGood;
  const shaking = tls.createServer({
    ...inUse,
    ...(chooseProtocol !== undefined && {
      ALPNCallback: ({ protocols }: { protocols: string[] }) => chooseProtocol(protocols),
    }),
    requestCert: requiresCertificate,
    rejectUnauthorized: requiresCertificate,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    noDelay: true,
  });
  const gate = new HandshakeGate({
    begin: (socket) => {
      const current = credentials.lastGood;
      if (current !== inUse) {
        inUse = current;
        shaking.setSecureContext(current);
      }
      shaking.emit('connection', socket);
    },
    onDropped: (socket, reason) => onRejected(undefined, remoteOf(socket), reason),
  });
  const over = (socket: TLSSocket): void => {
    const raw = rawOf(socket);
    if (raw !== undefined) gate.over(raw);
  };
  shaking.on('secureConnection', (socket) => {
    over(socket);
    void admit(socket, options);
  });
  shaking.on('tlsClientError', (error, socket) => {
    over(socket);
    onRejected(socket, remoteOf(rawOf(socket) ?? socket), describe(error, socket));
  });
  return net.createServer({ noDelay: true }, (socket) => {
    // A socket remembers who is at its other end once it was asked, even when it is closed.
    void socket.remoteAddress;
    gate.accept(socket);
  });
}

async function admit(socket: TLSSocket, { whyRefused, onSecure, onRejected }: TlsServerOptions): Promise<void> {
  const remote = remoteOf(socket);
  const drop = (): void => void socket.destroy();
  socket.on('error', drop);
  const refusal = await whyRefused(socket).catch((error: unknown) => String(error));
  socket.off('error', drop);
  if (socket.destroyed) return;
  if (refusal === undefined) {
    onSecure(socket);
    return;
  }
  onRejected(socket, remote, refusal);
  socket.on('error', () => {});
  socket.destroy();
}

/** `_parent` is private: without it, a handshake counts as one under way for longer than it is. */
function rawOf(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { readonly _parent?: Socket })._parent;
}

function remoteOf({ remoteAddress: address, remotePort: port }: Socket): string {
  if (address === undefined) return '@';
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return net.isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** What OpenSSL and Node say of a failed verification, in words that an operator can act on. */
const VERIFY_ERRORS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate signed by unknown authority',
  INVALID_PURPOSE: 'certificate specifies an incompatible key usage',
};

function describe(error: Error, socket: TLSSocket): string {
  // A string, whatever the types say.
  const verification: unknown = socket.authorizationError;
  if (typeof verification === 'string') {
    return `tls: failed to verify certificate: x509: ${VERIFY_ERRORS[verification] ?? verification}`;
  }
  const { code, reason } = error as { readonly code?: unknown; readonly reason?: unknown };
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return "tls: client didn't provide a certificate";
  if (code === 'ECONNRESET') return 'EOF';
  return typeof reason === 'string' ? `tls: ${reason}` : error.message;
}
