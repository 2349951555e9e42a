import type { Command } from '../../support/server-process.ts';

/** What one direction between two parties does to the bytes that go along it. */
export interface LinkCondition {
  /** `hold`: nothing passes until it is lifted. `drop`: what is sent meanwhile is lost, and with it the connection in the end. */
  readonly blocked?: 'hold' | 'drop';
  readonly delayMs?: number;
  /** Up to so much more, drawn for each piece; the order stays. */
  readonly jitterMs?: number;
  readonly bytesPerSecond?: number;
  /** How likely a piece is lost and sent again by TCP: it comes some hundred milliseconds late, and so does what follows. */
  readonly lossChance?: number;
}

export const CLEAR: LinkCondition = {};

/** Where a member lives. */
export interface Address {
  /** That it listens on. */
  readonly listenPeerUrl: string;
  /** That the others are told: the way there leads over the links. */
  readonly peerUrl: string;
  readonly listenClientUrl: string;
  /** For clients, `host:port`; leads over the link named CLIENTS. */
  readonly endpoint: string;
  /** For the test's own questions: leads past the links, where there is such a way. */
  readonly directEndpoint: string;
}

/** The party at the other end of a member's link to its clients. */
export const CLIENTS = 'clients';

/** What lies between members, and between them and their clients. */
export interface Network {
  readonly kind: 'proxy' | 'namespaces' | 'open';
  /** What set() can do here. */
  readonly conditions: ReadonlySet<keyof LinkCondition>;
  /** Makes room for one more member. `pidOf` tells its present process. */
  place(name: string, pidOf: () => number | undefined): Promise<Address>;
  /** The member's command as it has to be run there. */
  command(name: string, command: Command): Command;
  /** Sets what happens to bytes from one party to another from now on. */
  set(from: string, to: string, condition: LinkCondition): void;
  /** Breaks every connection between the two, as a reset does. Nothing where there is no way to do it. */
  cut(one: string, other: string): void;
  close(): Promise<void>;
}
