/** TLS towards one side, clients or peers: listeners that admit only whom the settings let in, and what a dialer needs. */
import { X509Certificate } from 'node:crypto';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import tls from 'node:tls';
import type { LookupFunction, Server } from 'node:net';
import { must } from '../../base/assert.ts';
import type { Logger } from '../../ports/logger.ts';
import type { KeyPairFiles, TlsSettings } from '../../ports/tls-settings.ts';
import { LimitedLogger } from '../../server/limited-logger.ts';
import { whyNotFrom, systemNames, type Names } from './address-check.ts';
import { isFor, whyNotAllowed, whyRevoked } from './certificate-rules.ts';
import { fileBackedCredentials, type Credentials } from './credentials.ts';
import { FileBacked, FileProblem } from './file-backed.ts';
import { parseRevocationLists } from './revocation-list.ts';
import { createTlsServer } from './tls-server.ts';

export interface TlsEndpointOptions {
  readonly settings: TlsSettings;
  /** In the log: `rejected connection on <this> endpoint`. */
  readonly side: 'client' | 'peer';
  readonly logger: Logger;
  readonly lookup: LookupFunction;
}

export interface TlsListenerOptions {
  readonly chooseProtocol?: ((offered: readonly string[]) => string | undefined) | undefined;
  readonly onSecure: (socket: TLSSocket) => void;
}

export class TlsEndpoint {
  readonly #options: TlsEndpointOptions;
  readonly #names: Names;
  /** Those of the listeners; undefined: nothing can listen. */
  readonly #listening: FileBacked<Credentials> | undefined;
  readonly #dialing: FileBacked<Credentials>;
  readonly #revoked: FileBacked<ReadonlySet<string>> | undefined;
  #dialingContext: { readonly from: Credentials; readonly context: SecureContext } | undefined;

  /** Reads the files. Throws FileProblem if one cannot be used. */
  constructor(options: TlsEndpointOptions) {
    this.#options = options;
    this.#names = systemNames(options.lookup);
    const { own, dialing } = options.settings;
    if (own !== undefined) this.#listening = this.#credentials(own);
    this.#dialing =
      isSamePair(own, dialing) && this.#listening !== undefined ? this.#listening : this.#credentials(dialing);
    this.#revoked = this.#revocations();
  }

  /** A server that is still to be told to listen. The settings must name a certificate to show. */
  createServer({ chooseProtocol, onSecure }: TlsListenerOptions): Server {
    const { settings, side, logger } = this.#options;
    const limited = new LimitedLogger(logger);
    return createTlsServer({
      credentials: must(this.#listening, 'a certificate for the listeners'),
      requiresCertificate: settings.requiresCertificate,
      chooseProtocol,
      whyRefused: (socket) => this.#whyRefused(socket),
      onSecure,
      onRejected: (socket, remote, error) => {
        const certificate = socket?.destroyed === false ? socket.getPeerX509Certificate() : undefined;
        limited.warn(`rejected connection on ${side} endpoint`, {
          'remote-addr': remote,
          'server-name': serverNameOf(socket),
          ...(certificate !== undefined && { subject: certificate.subject, names: certificate.subjectAltName }),
          error,
        });
      },
    });
  }

  /** For one dial, with the files as they are now. */
  dialOptions(): ConnectionOptions {
    const { settings } = this.#options;
    const from = this.#dialing.lastGood;
    if (this.#dialingContext?.from !== from) this.#dialingContext = { from, context: tls.createSecureContext(from) };
    return {
      secureContext: this.#dialingContext.context,
      ...(settings.dialServerName !== undefined && { servername: settings.dialServerName }),
      // A certificate that was made at the start is known to nobody.
      rejectUnauthorized: settings.selfSigned === undefined,
      checkServerIdentity: (host, { raw }) => {
        const certificate = new X509Certificate(raw);
        if (!isFor(certificate, host)) {
          return new Error(`x509: certificate is valid for ${certificate.subjectAltName ?? 'no name'}, not ${host}`);
        }
        const reason = whyNotAllowed(settings, certificate);
        return reason === undefined ? undefined : new Error(reason);
      },
    };
  }

  async #whyRefused(socket: TLSSocket): Promise<string | undefined> {
    const { settings } = this.#options;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      // TLS made sure of that already; a connection that resumes an earlier one is no exception.
      return settings.requiresCertificate ? "tls: client didn't provide a certificate" : undefined;
    }
    const reason = whyNotAllowed(settings, certificate) ?? this.#whyRevoked(certificate);
    if (reason !== undefined) return reason;
    const address = socket.remoteAddress;
    // Who comes through a unix socket has no address.
    if (!settings.checksAddress || address === undefined) return undefined;
    return whyNotFrom(certificate, address, this.#names);
  }

  /** A list that cannot be read lets nobody in: whom it would keep out is not known. */
  #whyRevoked(certificate: X509Certificate): string | undefined {
    if (this.#revoked === undefined) return undefined;
    try {
      return whyRevoked(this.#revoked.latest, certificate);
    } catch (error) {
      if (error instanceof FileProblem) return error.message;
      throw error;
    }
  }

  #credentials(pair: KeyPairFiles | undefined): FileBacked<Credentials> {
    const { settings, side, logger } = this.#options;
    return fileBackedCredentials(settings, pair, {
      onReload: () => logger.info(`${side} certificates changed: new connections use them`),
      onProblem: ({ message: error }) => {
        logger.warn(`${side} certificates changed and cannot be used: the earlier ones stay`, { error });
      },
    });
  }

  #revocations(): FileBacked<ReadonlySet<string>> | undefined {
    const { settings, side, logger } = this.#options;
    const { revoked: file } = settings;
    if (file === undefined) return undefined;
    return new FileBacked<ReadonlySet<string>>({
      files: [file],
      make: ([content]) => {
        try {
          return parseRevocationLists(content ?? new Uint8Array());
        } catch (error) {
          throw new FileProblem(file, error);
        }
      },
      onReload: () => logger.info(`${side} revocation list changed`),
      onProblem: ({ message: error }) => {
        logger.warn(`${side} revocation list changed and cannot be used: nobody is let in`, { error });
      },
    });
  }
}

function isSamePair(a: KeyPairFiles | undefined, b: KeyPairFiles | undefined): boolean {
  return a?.certificate.path === b?.certificate.path && a?.key.path === b?.key.path;
}

/** As the client named it; empty if it did not. */
function serverNameOf(socket: TLSSocket | undefined): string {
  const { servername } = (socket ?? {}) as unknown as { readonly servername?: unknown };
  return typeof servername === 'string' ? servername : '';
}
