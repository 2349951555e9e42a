/** Certificates, keys and authorities as Node's TLS takes them, checked one by one so that an error names the file. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import tls, { type SecureContextOptions } from 'node:tls';
import type { KeyPairFiles, NamedFile, TlsSettings } from '../../ports/tls-settings.ts';
import { FileBacked, FileProblem } from './file-backed.ts';

/** For listeners and for dialers alike. */
export type Credentials = SecureContextOptions & {
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
};

export interface CredentialEvents {
  readonly onReload: () => void;
  readonly onProblem: (problem: FileProblem) => void;
}

const PEM_CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** `pair` undefined: nothing to show. Throws FileProblem. */
export function fileBackedCredentials(
  settings: TlsSettings,
  pair: KeyPairFiles | undefined,
  events: CredentialEvents,
): FileBacked<Credentials> {
  const { authorities } = settings;
  const pairFiles = pair === undefined ? [] : [pair.certificate, pair.key];
  return new FileBacked({
    files: authorities === undefined ? pairFiles : [...pairFiles, authorities],
    make: (contents) => {
      const [cert, key] = pair === undefined ? [] : contents;
      if (pair !== undefined && cert !== undefined && key !== undefined) checkPair(pair, cert, key);
      const ca = authorities === undefined ? systemAuthorities() : certificatesIn(authorities, contents.at(-1));
      return { ...protocolOptions(settings), cert, key, ca };
    },
    ...events,
  });
}

function protocolOptions({ versionMin, versionMax, ciphers }: TlsSettings): SecureContextOptions {
  return {
    minVersion: versionMin,
    ...(versionMax !== undefined && { maxVersion: versionMax }),
    ...(ciphers !== undefined && { ciphers }),
    // An authority need not be one that signed itself.
    allowPartialTrustChain: true,
  };
}

function checkPair(pair: KeyPairFiles, cert: Buffer, key: Buffer): void {
  const certificate = attempt(pair.certificate, () => new X509Certificate(cert));
  const privateKey = attempt(pair.key, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    const { flag, path } = pair.certificate;
    throw new FileProblem(pair.key, `it is not the key of the certificate in ${flag}=${path}`);
  }
  attempt(pair.certificate, () => tls.createSecureContext({ cert, key }));
}

function certificatesIn(file: NamedFile, content: Buffer | undefined): string[] {
  const blocks = content?.toString('latin1').match(PEM_CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new FileProblem(file, 'it holds no certificate in PEM');
  for (const block of blocks) attempt(file, () => new X509Certificate(block));
  return blocks;
}

/** undefined: those that come with Node. */
function systemAuthorities(): string[] | undefined {
  const found = tls.getCACertificates('system');
  return found.length === 0 ? undefined : found;
}

function attempt<T>(file: NamedFile, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new FileProblem(file, error);
  }
}
