/** The Auth service as a client asks for it: everything goes through the log, passwords only as their bcrypt hashes. */
import type { AuthCommand, AuthKind, AuthRequest } from '../apply/auth-command.ts';
import type { Responses } from '../apply/applier.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import type {
  AuthenticateRequest,
  AuthenticateResponseInit,
  AuthUserAddRequest,
  AuthUserAddResponseInit,
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponseInit,
} from '../gen/rpc.ts';
import type { Caller } from './caller.ts';
import type { ServerCore } from './core.ts';
import { LimitedLogger } from './limited-logger.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { TokenProvider } from './token-provider.ts';

/** Of a name in the log. */
const NAME_CHARS_MAX = 64;

export interface AuthApiParts {
  readonly store: AuthStore;
  readonly hasher: PasswordHasher;
  readonly tokens: TokenProvider;
  readonly base64: (bytes: Uint8Array) => string;
}

export class AuthApi {
  readonly #core: ServerCore;
  readonly #parts: AuthApiParts;
  readonly #refused: LimitedLogger;

  constructor(core: ServerCore, parts: AuthApiParts) {
    this.#core = core;
    this.#parts = parts;
    this.#refused = new LimitedLogger(core.parts.logger, () => core.parts.clock.monotonicMs());
  }

  /** Requests without a password in them. */
  submit<K extends Exclude<AuthKind, 'authenticate' | 'authUserAdd' | 'authUserChangePassword'>>(
    kind: K,
    request: AuthRequest<K>,
    caller: Caller,
  ): Promise<Responses[K]> {
    return this.#propose(kind, request, caller);
  }

  async addUser(request: AuthUserAddRequest, caller: Caller): Promise<AuthUserAddResponseInit> {
    await this.#beforeHashing(caller);
    const { name, options, password } = request;
    const hashedPassword = options?.noPassword === true ? '' : await this.#hash(password);
    return this.#propose('authUserAdd', { name, options, password: '', hashedPassword }, caller);
  }

  async changePassword(
    { name, password }: AuthUserChangePasswordRequest,
    caller: Caller,
  ): Promise<AuthUserChangePasswordResponseInit> {
    await this.#beforeHashing(caller);
    const hashedPassword = password === '' ? '' : await this.#hash(password);
    return this.#propose('authUserChangePassword', { name, password: '', hashedPassword }, caller);
  }

  /** Rejects with AuthNotEnabled, AuthFailed or TooManyRequests. */
  async authenticate({ name, password }: AuthenticateRequest, caller: Caller): Promise<AuthenticateResponseInit> {
    await this.#core.linearizable();
    const { store, tokens } = this.#parts;
    for (;;) {
      const { revision } = store;
      await this.#checkPassword(name, password);
      const request = { name, password: '', simpleToken: tokens.newPrefix() };
      const { header, token } = await this.#propose('authenticate', request, caller);
      // The password that was right may have been changed before the entry came out of the log.
      if (store.revision === revision) return { header, token: await tokens.issue(name, revision, token ?? '') };
    }
  }

  async #checkPassword(name: string, password: string): Promise<void> {
    const { store, hasher } = this.#parts;
    if (!store.enabled) throw etcdError('AuthNotEnabled');
    try {
      const credentials = store.credentialsOf(name);
      if (credentials === undefined) {
        await hasher.pretend(name, password);
        throw etcdError('AuthFailed');
      }
      if (credentials.hasNoPassword) {
        const text = 'auth: authentication failed, password was given for no password user';
        throw new EtcdError(Code.Unknown, text);
      }
      if (!(await hasher.matches(name, password, credentials.passwordHash))) throw etcdError('AuthFailed');
    } catch (error) {
      this.#refused.warn('refused a login', { user: name.slice(0, NAME_CHARS_MAX), error: String(error) });
      throw error;
    }
  }

  /** Nobody makes the server hash who may not add users anyway. What this member knows may be old: it looks twice. */
  async #beforeHashing(caller: Caller): Promise<void> {
    const { authenticator } = this.#core.parts;
    try {
      await authenticator.requireAdmin(caller);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      await this.#core.linearizable();
      await authenticator.requireAdmin(caller);
    }
  }

  async #hash(password: string): Promise<string> {
    return this.#parts.base64(await this.#parts.hasher.hash(password));
  }

  #propose<K extends AuthKind>(kind: K, request: AuthRequest<K>, caller: Caller): Promise<Responses[K]> {
    const command = { kind, request } as unknown as AuthCommand;
    return this.#core.proposeFor(caller, { [kind]: request }, command) as Promise<Responses[K]>;
  }
}
