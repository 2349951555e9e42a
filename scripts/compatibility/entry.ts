/** A row of docs/compatibility.md. */

/**
 * works: nobody who talks to it can tell the difference. differs: it does the same in another way, which `note` names.
 * not offered: `note` says why, or what to use.
 */
export type Status = 'works' | 'differs' | 'not offered';

export interface Entry {
  readonly name: string;
  readonly status: Status;
  readonly note: string;
}
