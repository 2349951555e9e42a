/**
 * A DNS server for one test, which processes of the test ask instead of the machine's. Neither Node's resolver nor Go's takes a
 * port, so it listens on port 53 of a loopback address of its own, and such a process sees another /etc/resolv.conf: that
 * needs root and a mount namespace.
 */
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import dns2 from 'dns2';
import type { Command } from './server-process.ts';

export interface SrvAnswer {
  readonly target: string;
  readonly port: number;
  readonly priority?: number;
  readonly weight?: number;
}

interface Encoders {
  SRV: { encode: (record: Required<SrvAnswer>, writer: { write(value: number, bits: number): void }) => void };
}

/** dns2 would compress the name of the target, which RFC 2782 forbids and Node's resolver does not take. */
(dns2.Packet.Resource as unknown as Encoders).SRV.encode = ({ priority, weight, port, target }, writer) => {
  for (const value of [priority, weight, port]) writer.write(value, 16);
  for (const byte of dns2.Packet.Name.encode(target)) writer.write(byte, 8);
};

const run = promisify(execFile);
const MOUNT = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';

/** Why processes cannot be given a name server of their own here; undefined: they can. */
export async function whyNoNameServer(): Promise<string | undefined> {
  try {
    await run('unshare', ['-m', 'sh', '-c', MOUNT, '/etc/hosts', 'true']);
  } catch (error) {
    return `no mount namespace for a resolv.conf of its own: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
  try {
    await (await NameServer.start()).stop();
  } catch (error) {
    return `port 53 of a loopback address is not to be had: ${String(error)}`;
  }
  return undefined;
}

export class NameServer {
  /** By name, in lower case. */
  readonly hosts = new Map<string, string>();
  /** By `_service._tcp.domain`. */
  readonly services = new Map<string, readonly SrvAnswer[]>();
  readonly #server: ReturnType<typeof dns2.createServer>;
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#server = dns2.createServer({
      udp: true,
      handle: (request, send) => {
        const response = dns2.Packet.createResponseFromRequest(request);
        const [question] = request.questions;
        if (question !== undefined) this.#answer(question.name.toLowerCase(), question.type, response);
        void send(response);
      },
    });
  }

  static async start(): Promise<NameServer> {
    const server = new NameServer(await mkdtemp(join(tmpdir(), 'quorate-names-')));
    const address = `127.${randomInt(10, 250)}.${randomInt(1, 250)}.${randomInt(1, 250)}`;
    await writeFile(server.#resolvConf, `nameserver ${address}\noptions timeout:1 attempts:2\n`);
    try {
      await server.#server.listen({ udp: { port: 53, address } });
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** The same command, asking here. */
  seenBy({ kind, file, args }: Command): Command {
    return { kind, file: 'unshare', args: ['-m', 'sh', '-c', MOUNT, this.#resolvConf, file, ...args] };
  }

  async stop(): Promise<void> {
    await this.#server.close().catch(() => {});
    await rm(this.#dir, { recursive: true, force: true });
  }

  get #resolvConf(): string {
    return join(this.#dir, 'resolv.conf');
  }

  #answer(name: string, type: number, response: InstanceType<typeof dns2.Packet>): void {
    const common = { name, class: dns2.Packet.CLASS.IN, ttl: 60 };
    const address = this.hosts.get(name);
    const records = this.services.get(name);
    if (type === dns2.Packet.TYPE.A && address !== undefined) {
      response.answers.push(new dns2.Packet.Resource({ ...common, type: dns2.Packet.TYPE.A, address }));
    } else if (type === dns2.Packet.TYPE.SRV && records !== undefined) {
      for (const { target, port, priority = 10, weight = 0 } of records) {
        const record = { ...common, type: dns2.Packet.TYPE.SRV, target, port, priority, weight };
        response.answers.push(new dns2.Packet.Resource(record));
      }
    } else if (address === undefined && records === undefined) {
      response.header.rcode = 3;
    }
  }
}
