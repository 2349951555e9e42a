import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { Command } from '../../support/server-process.ts';
import { type Address, CLIENTS, type LinkCondition, type Network } from './network.ts';

export const NAMESPACE_CONDITIONS: ReadonlySet<keyof LinkCondition> = new Set(['blocked', 'bytesPerSecond']);
const PEER_PORT = 2380;
const CLIENT_PORT = 2379;
const BRIDGE = 'bridge';

/** Why machines of their own cannot be simulated here; undefined when they can. */
export function namespacesMissing(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const { error } = spawnSync('ip', ['-V']);
  if (error !== undefined) return 'network namespaces need iproute2 (command ip)';
  const name = `quorate-try-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  spawnSync('ip', ['netns', 'del', name]);
  return made.status === 0 ? undefined : `network namespaces cannot be made: ${made.stderr.trim()}`;
}

/**
 * Every member in a network namespace of its own, joined by a bridge: partitions are made by the kernel, for connections that
 * are there as for new ones. The bridge has a namespace of its own too, because the machine's packet filter may know nothing of
 * it: where containers run, it drops what it does not know. A direction is blocked by a blackhole route in the namespace of the sender, which loses its
 * acknowledgements too; a sender's rate is limited by a token bucket.
 */
export class NamespaceNetwork implements Network {
  readonly kind = 'namespaces';
  readonly conditions = NAMESPACE_CONDITIONS;
  /** Keeps apart what several processes make at the same time. */
  readonly #tag = `qf${randomInt(0x1000, 0xffff).toString(16)}`;
  readonly #subnet = `10.${randomInt(64, 250)}.${randomInt(1, 250)}`;
  readonly #addresses = new Map<string, string>();
  readonly #blocked = new Set<string>();

  constructor() {
    ip('netns', 'add', this.#switch);
    ip('-n', this.#switch, 'link', 'add', BRIDGE, 'type', 'bridge');
    ip('-n', this.#switch, 'link', 'set', BRIDGE, 'up');
    ip('link', 'add', this.#tag, 'type', 'veth', 'peer', 'name', 'clients', 'netns', this.#switch);
    ip('-n', this.#switch, 'link', 'set', 'clients', 'master', BRIDGE, 'up');
    ip('addr', 'add', `${this.#subnet}.1/24`, 'dev', this.#tag);
    ip('link', 'set', this.#tag, 'up');
    this.#addresses.set(CLIENTS, `${this.#subnet}.1`);
    process.once('exit', this.#remove);
  }

  get #switch(): string {
    return `${this.#tag}-switch`;
  }

  // eslint-disable-next-line typescript/require-await -- the port is asynchronous
  async place(name: string): Promise<Address> {
    const number = this.#addresses.size + 1;
    const address = `${this.#subnet}.${number}`;
    const namespace = this.#namespace(name);
    const outside = `v${number}`;
    ip('netns', 'add', namespace);
    ip('-n', this.#switch, 'link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('-n', this.#switch, 'link', 'set', outside, 'master', BRIDGE, 'up');
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    this.#addresses.set(name, address);
    const endpoint = `${address}:${CLIENT_PORT}`;
    const peerUrl = `http://${address}:${PEER_PORT}`;
    return {
      listenPeerUrl: peerUrl,
      peerUrl,
      listenClientUrl: `http://${endpoint}`,
      endpoint,
      directEndpoint: endpoint,
    };
  }

  command(name: string, { kind, file, args }: Command): Command {
    return { kind, file: 'ip', args: ['netns', 'exec', this.#namespace(name), file, ...args] };
  }

  set(from: string, to: string, condition: LinkCondition): void {
    // The way from the test's own namespace stays open: what a member answers is what gets lost.
    if (from === CLIENTS) return;
    this.#block(from, to, condition.blocked !== undefined);
    const { bytesPerSecond } = condition;
    const shaping = ['-n', this.#namespace(from), 'qdisc'];
    if (bytesPerSecond === undefined) spawnSync('tc', [...shaping, 'del', 'dev', 'eth0', 'root']);
    else {
      const rate = ['rate', `${bytesPerSecond * 8}bit`, 'burst', '16k', 'latency', '200ms'];
      run('tc', [...shaping, 'replace', 'dev', 'eth0', 'root', 'tbf', ...rate]);
    }
  }

  cut(): void {}

  // eslint-disable-next-line typescript/require-await -- the port is asynchronous
  async close(): Promise<void> {
    process.off('exit', this.#remove);
    this.#remove();
  }

  #block(from: string, to: string, blocked: boolean): void {
    const link = `${from} ${to}`;
    if (this.#blocked.has(link) === blocked) return;
    const route = ['blackhole', `${this.#addresses.get(to)}/32`];
    ip('-n', this.#namespace(from), 'route', blocked ? 'add' : 'del', ...route);
    if (blocked) this.#blocked.add(link);
    else this.#blocked.delete(link);
  }

  #namespace(name: string): string {
    return `${this.#tag}-${name}`;
  }

  readonly #remove = (): void => {
    for (const name of this.#addresses.keys()) {
      if (name !== CLIENTS) spawnSync('ip', ['netns', 'del', this.#namespace(name)]);
    }
    spawnSync('ip', ['netns', 'del', this.#switch]);
  };
}

function ip(...args: string[]): void {
  run('ip', args);
}

function run(command: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
