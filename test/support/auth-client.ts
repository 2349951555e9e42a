import type { Bytes, HeaderOnly } from './api-messages.ts';
import type { CallOptions, RawClient } from './raw-client.ts';

export type PermissionType = 'READ' | 'WRITE' | 'READWRITE';

export interface Permission {
  permType?: PermissionType;
  key?: Bytes;
  range_end?: Bytes;
}

/** The Auth service, as one user (by token) or as nobody. */
export class AuthClient {
  readonly #client: RawClient;
  readonly options: CallOptions;

  constructor(client: RawClient, token?: string) {
    this.#client = client;
    this.options = token === undefined ? {} : { metadata: { token } };
  }

  call<Response = HeaderOnly>(method: string, request: object = {}): Promise<Response> {
    return this.#client.unary('etcdserverpb.Auth', method, request, this.options);
  }

  /** Logs in; resolves with a client that sends the token. */
  async login(name: string, password: string): Promise<AuthClient> {
    const { token } = await this.call<{ token: string }>('Authenticate', { name, password });
    return new AuthClient(this.#client, token);
  }

  addUser(name: string, password: string, more: object = {}): Promise<HeaderOnly> {
    return this.call('UserAdd', { name, password, ...more });
  }

  /** A role with these permissions, granted to the user. */
  async give(user: string, role: string, ...permissions: Permission[]): Promise<void> {
    await this.call('RoleAdd', { name: role });
    for (const perm of permissions) await this.call('RoleGrantPermission', { name: role, perm });
    await this.call('UserGrantRole', { user, role });
  }
}
