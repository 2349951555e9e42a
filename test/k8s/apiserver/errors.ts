import { RpcError } from '../../support/raw-client.ts';
import type { Figures } from './figures.ts';
import type { Findings } from './findings.ts';

const OUT_OF_RANGE = 11;
const COMPACTED = 'etcdserver: mvcc: required revision has been compacted';
const NOT_FOUND = 5;
const LEASE_NOT_FOUND = 'etcdserver: requested lease not found';
/** After a server has come back: connections and elections need a moment. */
const AFTERMATH_MS = 30_000;

/** Decides which errors are to be expected: those while a server is down, or has just come back. */
export class Errors {
  readonly #findings: Findings;
  readonly #figures: Figures;
  #excusedUntilMs = 0;

  constructor(findings: Findings, figures: Figures) {
    this.#findings = findings;
    this.#figures = figures;
  }

  /** A fault begins; it lasts until faultEnds(). */
  faultBegins(): void {
    this.#excusedUntilMs = Infinity;
  }

  faultEnds(): void {
    this.#excusedUntilMs = performance.now() + AFTERMATH_MS;
  }

  get isFault(): boolean {
    return performance.now() < this.#excusedUntilMs;
  }

  /** The outcome of what was asked is unknown. */
  note(what: string, error: unknown): void {
    if (this.isFault) this.#figures.excused++;
    else this.#findings.hold(false, 'no errors without a fault', () => `${what}: ${String(error)}`);
  }

  noteWatch(error: unknown): void {
    this.note('watch', error);
  }
}

/** Exactly as Kubernetes matches it, to answer 410 Gone. */
export function isCompacted(error: unknown): boolean {
  return error instanceof RpcError && error.code === OUT_OF_RANGE && error.message === COMPACTED;
}

export function isLeaseNotFound(error: unknown): boolean {
  return error instanceof RpcError && error.code === NOT_FOUND && error.message === LEASE_NOT_FOUND;
}

/** Undefined when a compaction passed what was asked for, as may happen to every read of the past. */
export async function unlessCompacted<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isCompacted(error)) return undefined;
    throw error;
  }
}
