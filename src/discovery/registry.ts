/**
 * v3 discovery: the founders of a cluster find each other through another etcd (etcd-behaviour §6.2). Its keys:
 *
 *   /_etcd/registry/TOKEN/_config/size     how many founders there are, in decimal; set beforehand
 *   /_etcd/registry/TOKEN/members/ID       one per founder, `name=url,name=url`; the first ones by create revision count
 */
import { posix } from 'node:path';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';

const PREFIX = '/_etcd/registry';
/** Waits between tries double from two seconds to about four minutes. */
const BACKOFF_EXPONENT_MAX = 8;
const INT64_MAX = 2n ** 63n - 1n;

export interface RegistryEntry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
}

export interface RegistryRange {
  readonly entries: readonly RegistryEntry[];
  /** Of the registry when it was read. */
  readonly revision: number;
}

/** An etcd as registry. Each rejects with an Error when it cannot be reached, or refuses. */
export interface RegistryClient {
  /** Checks what would never work: credentials that the registry does not know. */
  connect(): Promise<void>;
  get(key: string): Promise<RegistryRange>;
  list(prefix: string): Promise<RegistryRange>;
  put(key: string, value: string): Promise<void>;
  /** Calls `onEntries` with what is put under the prefix from that revision on, until it returns true. */
  watch(prefix: string, fromRevision: number, onEntries: (entries: readonly RegistryEntry[]) => boolean): Promise<void>;
  close(): void;
}

export interface RegistryMember {
  readonly token: string;
  readonly id: bigint;
  /** `name=url,name=url`, sorted. */
  readonly entry: string;
}

export interface RegistryParts {
  readonly client: RegistryClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** After this, trying again makes no sense. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
}

interface Size {
  readonly size: number;
  readonly revision: number;
}

/**
 * Registers this member and waits, however long it takes, until all founders have. Resolves with them as --initial-cluster
 * would name them. Rejects with DiscoveryError when the registry says that this cannot be.
 */
export async function joinThroughRegistry(member: RegistryMember, parts: RegistryParts): Promise<string> {
  return new RegistryJoin(member, parts).run();
}

class RegistryJoin {
  readonly #member: RegistryMember;
  readonly #parts: RegistryParts;
  readonly #sizeKey: string;
  readonly #membersPrefix: string;
  readonly #ownKey: string;
  /** By create revision, ascending. */
  #found: RegistryEntry[] = [];
  #failures = 0;

  constructor(member: RegistryMember, parts: RegistryParts) {
    this.#member = member;
    this.#parts = parts;
    this.#sizeKey = posix.join(PREFIX, member.token, '_config/size');
    this.#membersPrefix = posix.join(PREFIX, member.token, 'members');
    this.#ownKey = posix.join(this.#membersPrefix, member.id.toString(16));
  }

  async run(): Promise<string> {
    const { client, logger } = this.#parts;
    await client.connect();
    await this.#persistently('cluster status check', () => this.#check());
    await this.#persistently('register member itself', () => client.put(this.#ownKey, this.#member.entry));
    logger.info('register member itself successfully', { memberKey: this.#ownKey, memberInfo: this.#member.entry });
    for (;;) {
      const { size, revision } = await this.#persistently('cluster status check', () => this.#check());
      if (this.#found.length >= size || (await this.#wait(size, revision))) {
        logger.info('found all needed peers from discovery service', { clusterSize: size });
        return this.#found
          .slice(0, size)
          .map(({ value }) => value)
          .join(',');
      }
    }
  }

  /** What goes wrong on the way is tried again for as long as it takes; what the registry says is final. */
  async #persistently<T>(reason: string, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await attempt();
        this.#failures = 0;
        return result;
      } catch (error) {
        if (error instanceof DiscoveryError) throw error;
        await this.#pause(reason, error);
      }
    }
  }

  async #pause(reason: string, error: unknown): Promise<void> {
    const { clock, logger } = this.#parts;
    const backoffMs = 1000 * 2 ** Math.min(++this.#failures, BACKOFF_EXPONENT_MAX);
    const text = error instanceof Error ? error.message : String(error);
    logger.warn('retry connecting to discovery service', { reason, backoff: `${backoffMs / 1000}s`, error: text });
    await new Promise<void>((done) => void clock.after(backoffMs, done));
  }

  async #check(): Promise<Size> {
    const { client } = this.#parts;
    const size = parseSize(await client.get(this.#sizeKey));
    const { entries, revision } = await client.list(this.#membersPrefix);
    this.#found = [];
    for (const entry of entries) this.#add(entry);
    const at = this.#found.findIndex(({ key }) => key === this.#ownKey);
    if (at === -1 ? this.#found.length >= size : at >= size) throw new DiscoveryError('discovery: cluster is full');
    return { size, revision };
  }

  /** Resolves with whether all have come; if not, the members are read anew. */
  async #wait(size: number, revision: number): Promise<boolean> {
    const { client, logger } = this.#parts;
    logger.info('waiting for peers from discovery service', {
      clusterSize: size,
      'found-peers': this.#found.length,
    });
    try {
      await client.watch(this.#membersPrefix, revision + 1, (entries) => {
        for (const entry of entries) this.#add(entry);
        return this.#found.length >= size;
      });
    } catch (error) {
      await this.#pause('waiting for peers', error);
    }
    return this.#found.length >= size;
  }

  #add(entry: RegistryEntry): void {
    const { logger } = this.#parts;
    const key = entry.key.trim();
    const value = entry.value.trim();
    const fields = { memberKey: key, memberInfo: value };
    if (!value.includes('=')) logger.warn('invalid peer info returned from discovery service', fields);
    else if (this.#found.some((other) => other.key === key)) {
      logger.warn('found duplicate peer from discovery service', fields);
    } else {
      logger.info('found peer from discovery service', fields);
      this.#found.push({ ...entry, key, value });
      this.#found.sort((a, b) => a.createRevision - b.createRevision);
    }
  }
}

/** Throws DiscoveryError. */
function parseSize({ entries: [entry] }: RegistryRange): number {
  if (entry === undefined) throw new DiscoveryError('discovery: size key not found');
  if (!/^[+-]?\d+$/.test(entry.value)) throw new DiscoveryError('discovery: size key is bad');
  const size = BigInt(entry.value.replace(/^\+/, ''));
  if (size <= 0n || size > INT64_MAX) throw new DiscoveryError('discovery: size key is bad');
  return Number(size);
}
