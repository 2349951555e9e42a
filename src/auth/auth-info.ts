/** Who asks, as far as it is known, and as of which state of the auth store. */
export interface AuthInfo {
  /** Empty: nobody, or a certificate without a name. */
  readonly username: string;
  /** The auth store's revision when the name was proved; 0 when nothing was. */
  readonly revision: number;
}

/** A caller without credentials, and every caller while auth is off. */
export const NOBODY: AuthInfo = { username: '', revision: 0 };

/** The user and the role that may do everything. */
export const ROOT = 'root';
