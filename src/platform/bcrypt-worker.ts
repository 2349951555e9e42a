/** A thread that does nothing but bcrypt: one task after the other. Its own file, because threads begin with one. */
import { parentPort } from 'node:worker_threads';
import { hashSync } from 'bcryptjs';

/** `salt` as bcrypt writes it, or a whole hash: what follows the salt in it is ignored. */
export interface BcryptTask {
  readonly id: number;
  readonly password: string;
  readonly salt: string;
}

export interface BcryptDone {
  readonly id: number;
  /** undefined: the salt is none. */
  readonly hash: string | undefined;
}

parentPort?.on('message', ({ id, password, salt }: BcryptTask) => {
  let hash: string | undefined;
  try {
    hash = hashSync(password, salt);
  } catch {
    hash = undefined;
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  parentPort?.postMessage({ id, hash } satisfies BcryptDone);
});
