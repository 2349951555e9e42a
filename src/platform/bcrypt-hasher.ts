/**
 * bcrypt in threads of its own, not in libuv's, which the log's syncs use. What a password was found to be is remembered, so that
 * clients that log in again and again cost one bcrypt; how many may wait is limited, in all and for one name, so that a storm of
 * logins is refused and not gathered.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { hashSync } from 'bcryptjs';
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import { utf8Length } from '../base/utf8.ts';
import type { PasswordHasher } from '../server/password-hasher.ts';
import type { BcryptDone, BcryptTask } from './bcrypt-worker.ts';

export interface BcryptOptions {
  /** The logarithm of the rounds, 4 to 31. */
  readonly cost: number;
  readonly threads?: number;
  /** Tasks that may wait, and of them for one user name. */
  readonly waitingMax?: number;
  readonly waitingPerUserMax?: number;
}

const PASSWORD_BYTES_MAX = 72;
const SHORT_NAME_CHARS = 64;
const SALT_BYTES = 16;
const THREADS_MAX = 4;
const WAITING_MAX = 256;
const WAITING_PER_USER_MAX = 64;
/** Outcomes remembered, right passwords and wrong ones apart: guesses must not push out those who may come in. */
const REMEMBERED_MAX = 4096;

interface Task {
  readonly username: string;
  readonly password: string;
  readonly salt: string;
  readonly resolve: (hash: string | undefined) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  task: Task | undefined;
}

export class BcryptHasher implements PasswordHasher {
  readonly #cost: number;
  readonly #threadsMax: number;
  readonly #waitingMax: number;
  readonly #waitingPerUserMax: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Task[] = [];
  readonly #waitingOf = new Map<string, number>();
  readonly #secret = randomBytes(32);
  readonly #right = new Remembered(REMEMBERED_MAX);
  readonly #wrong = new Remembered(REMEMBERED_MAX);
  /** Checks under way, for others that ask the same meanwhile. */
  readonly #checking = new Map<string, Promise<boolean>>();
  #nextId = 1;
  #isStopped = false;

  constructor(options: BcryptOptions) {
    this.#cost = options.cost;
    this.#threadsMax = options.threads ?? Math.max(1, Math.min(THREADS_MAX, availableParallelism() - 1));
    this.#waitingMax = options.waitingMax ?? WAITING_MAX;
    this.#waitingPerUserMax = options.waitingPerUserMax ?? WAITING_PER_USER_MAX;
  }

  /** Tasks that wait for a thread. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async hash(password: string): Promise<Uint8Array> {
    if (utf8Length(password) > PASSWORD_BYTES_MAX) throw passwordTooLong();
    const hash = await this.#run('', password, newSalt(this.#cost));
    if (hash === undefined) throw new Error('bcrypt refused a salt that was made here');
    return Buffer.from(hash, 'latin1');
  }

  matches(username: string, password: string, hash: Uint8Array): Promise<boolean> {
    const text = Buffer.from(hash).toString('latin1');
    const key = this.#keyOf(username, password, text);
    if (this.#right.has(key)) return Promise.resolve(true);
    if (this.#wrong.has(key)) return Promise.resolve(false);
    let checking = this.#checking.get(key);
    if (checking === undefined) {
      checking = this.#check(username, password, text, key).finally(() => this.#checking.delete(key));
      this.#checking.set(key, checking);
    }
    return checking;
  }

  async pretend(username: string, password: string): Promise<void> {
    await this.matches(username, password, Buffer.from(nobodysHash(this.#cost), 'latin1'));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const task of this.#waiting.splice(0)) task.reject(etcdError('Stopped'));
    this.#waitingOf.clear();
    for (const { task } of this.#threads) task?.reject(etcdError('Stopped'));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
    this.#threads.clear();
  }

  async #check(username: string, password: string, hash: string, key: string): Promise<boolean> {
    const computed = await this.#run(this.#shortName(username), seenByBcrypt(password), hash);
    const isRight = computed !== undefined && equalTexts(computed, hash);
    (isRight ? this.#right : this.#wrong).add(key);
    return isRight;
  }

  /** Tells nothing of the password without the secret, which never leaves this process. */
  #keyOf(username: string, password: string, hash: string): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([username, hash, password]))
      .digest('base64');
  }

  /** Stands for a name of any length: what waits must not be large. */
  #shortName(username: string): string {
    if (username.length <= SHORT_NAME_CHARS) return username;
    return createHmac('sha256', this.#secret).update(username).digest('base64');
  }

  #run(username: string, password: string, salt: string): Promise<string | undefined> {
    if (this.#isStopped) return Promise.reject(etcdError('Stopped'));
    const ofUser = this.#waitingOf.get(username) ?? 0;
    if (this.#waiting.length >= this.#waitingMax || ofUser >= this.#waitingPerUserMax) {
      return Promise.reject(etcdError('TooManyRequests'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ username, password, salt, resolve, reject });
      this.#waitingOf.set(username, ofUser + 1);
      this.#next();
    });
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idleThread();
      if (thread === undefined) return;
      const task = this.#waiting.shift() as Task;
      const left = (this.#waitingOf.get(task.username) ?? 0) - 1;
      if (left > 0) this.#waitingOf.set(task.username, left);
      else this.#waitingOf.delete(task.username);
      thread.task = task;
      const { password, salt } = task;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin
      thread.worker.postMessage({ id: this.#nextId++, password, salt } satisfies BcryptTask);
    }
  }

  #idleThread(): Thread | undefined {
    for (const thread of this.#threads) if (thread.task === undefined) return thread;
    return this.#threads.size < this.#threadsMax ? this.#startThread() : undefined;
  }

  #startThread(): Thread {
    const thread: Thread = { worker: new Worker(workerUrl()), task: undefined };
    this.#threads.add(thread);
    // A thread that waits for work is no reason for the process to stay.
    thread.worker.unref();
    thread.worker.on('message', ({ hash }: BcryptDone) => {
      thread.task?.resolve(hash);
      thread.task = undefined;
      this.#next();
    });
    thread.worker.on('error', (error) => {
      this.#threads.delete(thread);
      thread.task?.reject(error);
      this.#next();
    });
    return thread;
  }
}

/** bcrypt of a password on the calling thread. */
export function bcryptNow(password: string, cost: number): Uint8Array {
  if (utf8Length(password) > PASSWORD_BYTES_MAX) throw passwordTooLong();
  return Buffer.from(hashSync(password, newSalt(cost)), 'latin1');
}

/** The source beside this file; in the bundle, the file beside the bundle. */
function workerUrl(): URL {
  const here = import.meta.url;
  if (here.endsWith('.ts')) return new URL('./bcrypt-worker.ts', here);
  // Or beside the part of the bundle that this is in: parts are called <bundle>.<name>-<hash>.mjs.
  return new URL(here.replace(/(?:\.[\w-]+-[A-Z0-9]{8})?\.mjs$/, '.bcrypt-worker.mjs'));
}

function passwordTooLong(): EtcdError {
  return new EtcdError(Code.Unknown, `bcrypt: password length exceeds ${PASSWORD_BYTES_MAX} bytes`);
}

const BCRYPT_ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** In the version that etcd writes: 2a. Every 16 bytes have 22 characters of which the last has only two bits. */
function newSalt(cost: number): string {
  const bytes = randomBytes(SALT_BYTES);
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  bits <<= 4n;
  let text = '';
  for (let i = 21; i >= 0; i--) text += BCRYPT_ALPHABET[Number((bits >> BigInt(6 * i)) & 63n)];
  return `${prefixOf(cost)}${text}`;
}

/** A hash of no password at all. */
function nobodysHash(cost: number): string {
  return `${prefixOf(cost)}${'.'.repeat(53)}`;
}

function prefixOf(cost: number): string {
  return `$2a$${String(cost).padStart(2, '0')}$`;
}

/** No more of it counts; and no part of a long text, which would keep all of it. */
function seenByBcrypt(password: string): string {
  // A few more than the bytes, lest the end be within a pair of surrogates.
  if (password.length <= PASSWORD_BYTES_MAX + 8) return password;
  return Buffer.from(password.slice(0, PASSWORD_BYTES_MAX + 8)).toString();
}

/** bcryptjs may answer with another of the equal versions. */
function equalTexts(computed: string, stored: string): boolean {
  const a = Buffer.from(computed.slice(3), 'latin1');
  const b = Buffer.from(stored.slice(3), 'latin1');
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The last so many keys that were added or asked for. */
class Remembered {
  readonly #max: number;
  readonly #keys = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  has(key: string): boolean {
    if (!this.#keys.delete(key)) return false;
    this.#keys.add(key);
    return true;
  }

  add(key: string): void {
    this.#keys.add(key);
    if (this.#keys.size <= this.#max) return;
    for (const oldest of this.#keys) {
      this.#keys.delete(oldest);
      return;
    }
  }
}
