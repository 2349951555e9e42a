/** What TLS between members needs; each is asked for at every handshake or dial, so that renewed certificates are used. */
import type { ConnectionOptions, SecureContextOptions, TlsOptions } from 'node:tls';

export interface PeerTls {
  /** For listeners: certificate, key, and whom to trust. Asked once per listener. */
  serverOptions(): TlsOptions;
  /** For a dialer: certificate to show, and whom to trust. */
  clientOptions(): ConnectionOptions & SecureContextOptions;
}
