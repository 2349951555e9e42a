/** What an attack is: something that one process does to a server while a well-behaved client goes on working with it. */

export interface AttackTarget {
  readonly clientPort: number;
  readonly peerPort: number;
  /** In hexadecimal, as members tell each other. */
  readonly clusterId: string;
  readonly memberId: string;
  readonly version: string;
}

/** What the attacker counted; printed beside what the server made of it. */
export class Tally {
  readonly counts: Record<string, number> = {};

  add(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }
}

export interface AttackRun {
  readonly target: AttackTarget;
  readonly tally: Tally;
  /** Its time runs from the first call on. */
  begin(): void;
  isOver(): boolean;
  /** Resolves when it is. */
  readonly over: Promise<void>;
}

export interface Limits {
  /** How far anonymous memory may rise above what it was before, in MB. */
  readonly memoryMb: number;
  /** The longest that a request of the well-behaved client may take. */
  readonly worstMs: number;
}

export interface Attack {
  readonly name: string;
  /** One line for the table. */
  readonly what: string;
  readonly limits?: Partial<Limits>;
  /** Servers with TLS on the client port. */
  readonly isTls?: boolean;
  /** Flags beyond those that every server gets; attacks with the same flags share a server. */
  readonly flags?: readonly string[];
  /** Keys of 1 MB that are there before. */
  readonly largeKeys?: number;
  /** Authentication is on, with user root and password `right`. */
  readonly isAuth?: boolean;
  /** Why there is nothing to compare it with in etcd. */
  readonly notOnEtcd?: string;
  /** Takes until `isOver`, or less. */
  run(run: AttackRun): Promise<void>;
}

/**
 * For servers under test, which may share two slow cores with other tests, and with their attacker. Node lets garbage grow for a
 * while where there is memory; what would grow without an end passes this limit within a second or two.
 */
export const DEFAULT_LIMITS: Limits = { memoryMb: 600, worstMs: 8000 };
