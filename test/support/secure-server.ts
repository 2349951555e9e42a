/** Servers whose client and peer ports speak TLS, one of each kind. */
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Authority, Issued } from './certificates.ts';
import { freePort } from './free-port.ts';
import { startQuorate } from './quorate-process.ts';
import { RawClient } from './raw-client.ts';
import { etcdBinDir, NO_ETCD, startEtcd } from './real-etcd.ts';
import { secureGet, type SecureAnswer } from './secure-http.ts';
import type { ServerProcess } from './server-process.ts';
import { targetKinds } from './target.ts';

/** Declares the same tests for each kind of server. `authority` and `flags` are asked for when the tests run. */
export function describeSecureServers(
  name: string,
  authority: () => Authority,
  flags: () => string[],
  body: (get: () => SecureServer) => void,
): void {
  for (const kind of targetKinds()) {
    const isMissing = kind === 'etcd' && etcdBinDir() === undefined;
    if (isMissing) console.info(`skipped: ${name} on ${kind}: ${NO_ETCD}`);
    describe.skipIf(isMissing)(`${name} [${kind}]`, () => {
      let rig: SecureServer | undefined;
      beforeAll(async () => {
        const peerUrl = `https://127.0.0.1:${await freePort()}`;
        const peerFlags = ['listen-peer-urls', 'initial-advertise-peer-urls'].map((flag) => `--${flag}=${peerUrl}`);
        const all = [...peerFlags, `--initial-cluster=n1=${peerUrl}`, ...flags()];
        const start = kind === 'etcd' ? startEtcd : startQuorate;
        rig = new SecureServer(await start({ flags: all, isSecure: true }), peerUrl, authority());
      });
      afterAll(async () => rig?.process.stop());
      body(() => {
        if (rig === undefined) throw new Error('the server is only there while tests run');
        return rig;
      });
    });
  }
}

export class SecureServer {
  readonly process: ServerProcess;
  readonly peerUrl: string;
  readonly #authority: Authority;

  constructor(process: ServerProcess, peerUrl: string, authority: Authority) {
    this.process = process;
    this.peerUrl = peerUrl;
    this.#authority = authority;
  }

  /** For gRPC, with this certificate. */
  client(own: Issued | undefined): RawClient {
    const pair = own === undefined ? [] : [Buffer.from(own.key), Buffer.from(own.cert)];
    const credentials = grpc.credentials.createSsl(Buffer.from(this.#authority.cert), ...pair);
    return new RawClient(this.process.endpoint, {}, credentials);
  }

  /** A request in HTTP. */
  get(url: string, own: Issued | undefined, options: object = {}): Promise<SecureAnswer> {
    return secureGet(url, { ca: this.#authority.cert, ...(own && { cert: own.cert, key: own.key }), ...options });
  }

  /** A request in gRPC. */
  async range(own: Issued | undefined): Promise<boolean> {
    const client = this.client(own);
    try {
      await client.range({ key: 'x' }, { timeoutMs: 10_000 });
      return true;
    } catch {
      return false;
    } finally {
      client.close();
    }
  }

  async isServed(url: string, own: Issued | undefined): Promise<boolean> {
    return this.get(url, own).then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  rejected(side: 'client' | 'peer'): string[] {
    return this.process
      .logTail(200)
      .split('\n')
      .filter((line) => line.includes(`"rejected connection on ${side} endpoint"`));
  }
}
