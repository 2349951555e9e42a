import { freePort } from '../../support/free-port.ts';
import type { Command } from '../../support/server-process.ts';
import type { Address, LinkCondition, Network } from './network.ts';

/** Nothing lies between the members: for what is measured. */
export class OpenNetwork implements Network {
  readonly kind = 'open';
  readonly conditions: ReadonlySet<keyof LinkCondition> = new Set();

  async place(): Promise<Address> {
    const peerUrl = `http://127.0.0.1:${await freePort()}`;
    const endpoint = `127.0.0.1:${await freePort()}`;
    return {
      listenPeerUrl: peerUrl,
      peerUrl,
      listenClientUrl: `http://${endpoint}`,
      endpoint,
      directEndpoint: endpoint,
    };
  }

  command(_name: string, command: Command): Command {
    return command;
  }

  set(): void {}

  cut(): void {}

  async close(): Promise<void> {}
}
