/** How one side of a server, its clients or its peers, is secured: what the options say, with the files still unread. */

/** A file that an option names. */
export interface NamedFile {
  /** With its dashes, for messages. */
  readonly flag: string;
  readonly path: string;
}

export interface KeyPairFiles {
  readonly certificate: NamedFile;
  readonly key: NamedFile;
}

/** A certificate that is made at the start, unless there is one of an earlier start. */
export interface SelfSigned {
  /** Names and addresses it is for. */
  readonly hosts: readonly string[];
  /** Years of 365 days; at least 1. */
  readonly validityYears: number;
  /** Also for showing it to those that this server dials. */
  readonly isForDialing: boolean;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsSettings {
  /** What listeners show; undefined: nothing can listen. */
  readonly own: KeyPairFiles | undefined;
  /** What dialers show, if asked. */
  readonly dialing: KeyPairFiles | undefined;
  /** `own` is made at the start; then the other side's certificates are not verified. */
  readonly selfSigned: SelfSigned | undefined;
  /** Authorities that vouch for the other side; undefined: those of the system. */
  readonly authorities: NamedFile | undefined;
  /** Serial numbers in there are refused. */
  readonly revoked: NamedFile | undefined;
  /** Who connects must show a certificate that the authorities vouch for. */
  readonly requiresCertificate: boolean;
  /** The other side's certificate must have one of these common names; empty: any. */
  readonly allowedCommonNames: readonly string[];
  /** The other side's certificate must be for one of these names or addresses; empty: any. */
  readonly allowedHostnames: readonly string[];
  /** Whom a dialer asks for, and whom its certificate must be for, instead of the host that is dialled. */
  readonly dialServerName: string | undefined;
  /** Who connects must come from an address that the certificate is for, if it is for any. */
  readonly checksAddress: boolean;
  readonly versionMin: TlsVersion;
  readonly versionMax: TlsVersion | undefined;
  /** OpenSSL's names, separated by colons; undefined: its defaults. */
  readonly ciphers: string | undefined;
}
