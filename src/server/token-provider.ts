/** How a member tells who sent a token, and makes one for somebody whose password was right. */
import type { AuthInfo } from '../auth/auth-info.ts';
import type { SimpleTokens } from '../auth/simple-tokens.ts';
import { indexOfToken } from '../auth/simple-tokens.ts';
import type { Caller } from './caller.ts';

export interface TokenProvider {
  /** Begins a token that goes through the log; empty for tokens that do not. */
  newPrefix(): string;
  /** The token that a login answers with; `logged` is what came out of the log. Throws (or rejects with) EtcdError. */
  issue(username: string, authRevision: number, logged: string): string | Promise<string>;
  /** undefined: not valid (any more). `authRevision` is that of the auth store now. */
  identify(token: string, authRevision: number, caller: Caller): Identity | Promise<Identity>;
}

export type Identity = AuthInfo | undefined;

export interface SimpleTokenParts {
  readonly tokens: SimpleTokens;
  readonly monotonicMs: () => number;
  /** Letters that nobody can guess. */
  readonly newPrefix: () => string;
  readonly appliedIndex: () => number;
  /** Before another look at the applied index. */
  readonly pause: () => Promise<void>;
  /** How long a token may wait for its log entry. */
  readonly waitMs: number;
}

/** Requests that may wait for the log at once; tokens from nowhere must not gather memory. */
const WAITING_MAX = 4096;

export class SimpleTokenProvider implements TokenProvider {
  readonly #parts: SimpleTokenParts;
  #waiting = 0;

  constructor(parts: SimpleTokenParts) {
    this.#parts = parts;
  }

  newPrefix(): string {
    return this.#parts.newPrefix();
  }

  issue(_username: string, _authRevision: number, logged: string): string {
    return logged;
  }

  identify(token: string, authRevision: number, caller: Caller): Identity | Promise<Identity> {
    const index = indexOfToken(token);
    if (index === undefined) return undefined;
    if (index <= this.#parts.appliedIndex()) return this.#known(token, authRevision);
    return this.#waiting < WAITING_MAX ? this.#whenApplied(index, token, authRevision, caller) : undefined;
  }

  #known(token: string, revision: number): Identity {
    const username = this.#parts.tokens.use(token, this.#parts.monotonicMs());
    return username === undefined ? undefined : { username, revision };
  }

  /** The login may have been answered by a member that is ahead of this one. */
  async #whenApplied(index: number, token: string, authRevision: number, caller: Caller): Promise<Identity> {
    const { appliedIndex, pause, monotonicMs, waitMs } = this.#parts;
    const untilMs = monotonicMs() + waitMs;
    this.#waiting++;
    try {
      while (appliedIndex() < index) {
        if (caller.cancelled || monotonicMs() > untilMs) return undefined;
        await pause();
      }
    } finally {
      this.#waiting--;
    }
    return this.#known(token, authRevision);
  }
}
