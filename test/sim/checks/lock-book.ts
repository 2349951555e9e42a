/**
 * Who holds which lock. A client holds one from when it learns that its key is the oldest, until it gives it back or the time
 * is over for which it knows that its lease lives: at no time do two. And what is written under a lock is fenced by the
 * revision of the lock's key: once a later holder has written, no earlier one does.
 */
import { require } from '../world/violation.ts';

export interface Holder {
  readonly name: string;
  /** The revision that made its key. */
  readonly fence: number;
  /** It knows that its lease lives until then, at the least. */
  validUntilMs: number;
}

interface FencedWrite {
  readonly holder: Holder;
  readonly revision: number;
}

export class LockBook {
  readonly #holders = new Map<string, Holder>();
  /** In the order of their revisions, by lock. */
  readonly #writes = new Map<string, FencedWrite[]>();

  acquired(lock: string, holder: Holder, nowMs: number): void {
    const other = this.#holders.get(lock);
    const isFree = other === undefined || other.validUntilMs <= nowMs;
    require(isFree, 'two holders of a lock', () => {
      return `${holder.name} takes ${lock}, which ${other?.name} holds for another ${(other?.validUntilMs ?? 0) - nowMs} ms`;
    });
    require(other === undefined || other.fence < holder.fence, 'fence of a lock', () => {
      return `${holder.name} takes ${lock} with fence ${holder.fence}, after ${other?.fence}`;
    });
    this.#holders.set(lock, holder);
  }

  /** From here on the holder does nothing more under the lock. */
  released(holder: Holder): void {
    holder.validUntilMs = -Infinity;
  }

  /** A write that was conditional on the holder's key was carried out. */
  wrote(lock: string, holder: Holder, revision: number): void {
    const writes = this.#writes.get(lock) ?? [];
    this.#writes.set(lock, writes);
    const at = writes.findLastIndex((write) => write.revision < revision) + 1;
    const [before, after] = [writes[at - 1], writes[at]];
    const isInOrder = (before?.holder.fence ?? 0) <= holder.fence && holder.fence <= (after?.holder.fence ?? Infinity);
    require(isInOrder, 'fenced write', () => {
      return `${holder.name} wrote under ${lock} at ${revision} with fence ${holder.fence}, after ${before?.holder.fence}`;
    });
    writes.splice(at, 0, { holder, revision });
  }
}
