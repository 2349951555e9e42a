/** bcrypt, which takes its time on purpose: somewhere else, so that nobody else waits for it. */
export interface PasswordHasher {
  /** Of a new password. Rejects with an EtcdError: too long, or too many requests. */
  hash(password: string): Promise<Uint8Array>;
  /** Whether the hash is of this password. Rejects with TooManyRequests when too many wait already. */
  matches(username: string, password: string, hash: Uint8Array): Promise<boolean>;
  /** Takes as long as `matches` and tells nothing: of names that nobody has. */
  pretend(username: string, password: string): Promise<void>;
  /** Ends what it runs on. */
  stop(): Promise<void>;
}
