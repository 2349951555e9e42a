/**
 * The tokens that logins put into the log: every member knows them, and each lets them end when they were not used there for
 * their time to live. None survives a restart but by its log entry.
 */
export interface SimpleTokensOptions {
  /** Since the last use. */
  readonly ttlMs: number;
  /** Beyond, the ones unused for longest end early. */
  readonly tokensMax: number;
}

interface Holder {
  readonly username: string;
  deadlineMs: number;
}

export class SimpleTokens {
  readonly #options: SimpleTokensOptions;
  /** In the order of their deadlines: every use moves a token to the end. */
  readonly #holders = new Map<string, Holder>();

  constructor(options: SimpleTokensOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#holders.size;
  }

  assign(token: string, username: string, nowMs: number): void {
    this.#dropExpired(nowMs);
    this.#holders.delete(token);
    this.#holders.set(token, { username, deadlineMs: nowMs + this.#options.ttlMs });
    if (this.#holders.size <= this.#options.tokensMax) return;
    for (const oldest of this.#holders.keys()) {
      this.#holders.delete(oldest);
      return;
    }
  }

  /** Whose it is; that counts as a use. undefined for one that is not known (any more). */
  use(token: string, nowMs: number): string | undefined {
    const holder = this.#holders.get(token);
    if (holder === undefined) return undefined;
    this.#holders.delete(token);
    if (holder.deadlineMs <= nowMs) return undefined;
    holder.deadlineMs = nowMs + this.#options.ttlMs;
    this.#holders.set(token, holder);
    return holder.username;
  }

  invalidateUser(username: string): void {
    for (const [token, holder] of this.#holders) if (holder.username === username) this.#holders.delete(token);
  }

  clear(): void {
    this.#holders.clear();
  }

  #dropExpired(nowMs: number): void {
    for (const [token, { deadlineMs }] of this.#holders) {
      if (deadlineMs > nowMs) return;
      this.#holders.delete(token);
    }
  }
}

/** As every member computes it from the log entry: etcd counts the entries before it. */
export function simpleToken(prefix: string, entryIndex: number): string {
  return `${prefix}.${entryIndex - 1}`;
}

/** A member that has applied this much of the log knows the token; undefined for what is no simple token. */
export function indexOfToken(token: string): number | undefined {
  const parts = /^[^.]*\.(\d{1,16})$/.exec(token);
  if (parts === null) return undefined;
  const index = Number(parts[1]);
  return Number.isSafeInteger(index) ? index + 1 : undefined;
}
