/** A server that is attacked: started as its attacks need it, and asked afterwards whether it is well. */
import * as grpc from '@grpc/grpc-js';
import { AuthClient } from '../support/auth-client.ts';
import { type Authority, CertificateFolder } from '../support/certificates.ts';
import { http } from '../support/http.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { startEtcd } from '../support/real-etcd.ts';
import { secureGet } from '../support/secure-http.ts';
import type { ServerKind, ServerProcess } from '../support/server-process.ts';
import type { Attack, AttackTarget } from './attack.ts';

export const ROOT_PASSWORD = 'right';

export class Rig {
  readonly server: ServerProcess;
  readonly target: AttackTarget;
  readonly ca: string | undefined;
  readonly token: string | undefined;
  readonly #folder: CertificateFolder | undefined;
  #largeKeys = 0;

  private constructor(
    server: ServerProcess,
    target: AttackTarget,
    folder: CertificateFolder | undefined,
    ca: string | undefined,
    token: string | undefined,
  ) {
    this.server = server;
    this.target = target;
    this.#folder = folder;
    this.ca = ca;
    this.token = token;
  }

  /** For attacks of the same kind as this one: see keyOf. */
  static async start(kind: ServerKind, attack: Attack): Promise<Rig> {
    const folder = attack.isTls === true ? new CertificateFolder() : undefined;
    const authority = await folder?.authority('attack');
    const flags = [...(attack.flags ?? []), ...(await tlsFlags(authority))];
    const start = kind === 'etcd' ? startEtcd : startQuorate;
    const server = await start({ flags, isSecure: folder !== undefined });
    const client = clientOf(server, authority?.cert);
    try {
      const { version, header } = await client.status();
      const token = attack.isAuth === true ? await turnAuthOn(client) : undefined;
      const ids = { clusterId: header.cluster_id.toString(16), memberId: header.member_id.toString(16) };
      const target = { clientPort: server.clientPort, peerPort: server.peerPort, version, ...ids };
      return new Rig(server, target, folder, authority?.cert, token);
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      client.close();
    }
  }

  /** Attacks with equal keys can share a server. */
  static keyOf({ flags, isTls, isAuth }: Attack): string {
    return JSON.stringify([flags, isTls, isAuth]);
  }

  /** Keys of 1 MB, called `large/...`. */
  async load(count: number): Promise<void> {
    const client = clientOf(this.server, this.ca);
    if (this.token !== undefined) client.metadata = { token: this.token };
    for (; this.#largeKeys < count; this.#largeKeys++) {
      await client.put({ key: `large/${this.#largeKeys}`, value: Buffer.alloc(1_000_000, this.#largeKeys) });
    }
    client.close();
  }

  /** Rejects unless /health says so. */
  async healthy(): Promise<void> {
    const url = `${this.server.clientUrl}/health`;
    const { status, body } = this.ca === undefined ? await http(url) : await secureGet(url, { ca: this.ca });
    if (status !== 200) throw new Error(`/health answered ${status} ${body}`);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    this.#folder?.remove();
  }
}

function clientOf(server: ServerProcess, ca: string | undefined): RawClient {
  if (ca === undefined) return new RawClient(server.endpoint);
  return new RawClient(server.endpoint, {}, grpc.credentials.createSsl(Buffer.from(ca)));
}

async function tlsFlags(authority: Authority | undefined): Promise<string[]> {
  if (authority === undefined) return [];
  const { certFile, keyFile } = await authority.issue('server');
  return [`--cert-file=${certFile}`, `--key-file=${keyFile}`];
}

/** Resolves with a token of root. */
async function turnAuthOn(client: RawClient): Promise<string> {
  const auth = new AuthClient(client);
  await auth.addUser('root', ROOT_PASSWORD);
  await auth.call('RoleAdd', { name: 'root' });
  await auth.call('UserGrantRole', { user: 'root', role: 'root' });
  await auth.call('AuthEnable');
  const { token } = await auth.call<{ token: string }>('Authenticate', { name: 'root', password: ROOT_PASSWORD });
  return token;
}
