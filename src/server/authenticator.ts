/** From what a caller shows to who it is, and whether it may go on. Costs one look at a flag while auth is off. */
import { NOBODY, ROOT, type AuthInfo } from '../auth/auth-info.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import { etcdError } from '../base/etcd-error.ts';
import { SELF, type Caller } from './caller.ts';
import type { Identity, TokenProvider } from './token-provider.ts';

export interface AuthenticatorParts {
  readonly store: AuthStore;
  readonly tokens: TokenProvider;
  /** Whether the common name of a verified certificate is a user's name (client-cert-auth). */
  readonly certificateNames: boolean;
}

export class Authenticator {
  readonly #parts: AuthenticatorParts;

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts;
  }

  get enabled(): boolean {
    return this.#parts.store.enabled;
  }

  /** NOBODY without credentials, and while auth is off. Throws (or rejects with) InvalidAuthToken. A token wins over a certificate. */
  identify(caller: Caller): AuthInfo | Promise<AuthInfo> {
    const { store, tokens, certificateNames } = this.#parts;
    if (!store.enabled) return NOBODY;
    if (caller === SELF) return this.self();
    const { token, commonName } = caller;
    if (token !== undefined) {
      const found = tokens.identify(token, store.revision, caller);
      return found instanceof Promise ? found.then(valid) : valid(found);
    }
    if (certificateNames && commonName !== undefined) return { username: commonName, revision: store.revision };
    return NOBODY;
  }

  /** For entries that this server makes itself. */
  self(): AuthInfo {
    const { store } = this.#parts;
    return store.enabled ? { username: ROOT, revision: store.revision } : NOBODY;
  }

  /** Rejects with InvalidAuthToken, and with what `check` throws of the caller. */
  async permit(caller: Caller, check: (store: AuthStore, who: AuthInfo) => void): Promise<AuthInfo> {
    const { store } = this.#parts;
    if (!store.enabled) return NOBODY;
    const who = await this.identify(caller);
    check(store, who);
    return who;
  }

  /** Rejects with UserEmpty, UserNotFound, PermissionDenied or InvalidAuthToken. */
  async requireAdmin(caller: Caller): Promise<void> {
    if (this.enabled) await this.permit(caller, (store, who) => store.checkAdmin(who));
  }

  /** Rejects with UserEmpty or InvalidAuthToken. */
  async requireUser(caller: Caller): Promise<void> {
    if (this.enabled) await this.permit(caller, (store, who) => store.checkUser(who));
  }

  /** After a read: what allowed it must not have changed meanwhile. Throws AuthOldRevision. */
  checkFresh(who: AuthInfo): void {
    if (who.revision !== 0 && who.revision !== this.#parts.store.revision) throw etcdError('AuthOldRevision');
  }
}

function valid(found: Identity): AuthInfo {
  if (found === undefined) throw etcdError('InvalidAuthToken');
  return found;
}
