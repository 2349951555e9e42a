/** Messages of one stream in the order they came, taken out by a test with a timeout instead of by callbacks. */
export class StreamInbox<T> {
  readonly #messages: T[] = [];
  #end: { readonly error: Error | undefined } | undefined;
  #wake: (() => void) | undefined;

  push(message: T): void {
    this.#messages.push(message);
    this.#notify();
  }

  /** Marks the end of the stream; `error` is undefined when it ended with status OK. */
  finish(error: Error | undefined): void {
    this.#end ??= { error };
    this.#notify();
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** How many messages wait to be taken. */
  get size(): number {
    return this.#messages.length;
  }

  /** The next message; throws the stream's error when it has ended, or after `timeoutMs` without one. */
  async next(timeoutMs = 5_000): Promise<T> {
    await this.#until(() => this.#messages.length > 0 || this.#end !== undefined, timeoutMs);
    const message = this.#messages.shift();
    if (message !== undefined) return message;
    if (this.#end) throw this.#end.error ?? new Error('the stream ended with OK while a message was expected');
    throw new Error(`no message within ${timeoutMs} ms`);
  }

  /** Resolves with the stream's error, or undefined for OK, once it has ended and all its messages were taken. */
  async end(timeoutMs = 5_000): Promise<Error | undefined> {
    await this.#until(() => this.#end !== undefined, timeoutMs);
    if (!this.#end) throw new Error(`the stream did not end within ${timeoutMs} ms`);
    if (this.#messages.length > 0) throw new Error(`the stream ended with untaken messages: ${show(this.#messages)}`);
    return this.#end.error;
  }

  /** Fails when anything at all arrives, or the stream ends, within `durationMs`. */
  async expectSilence(durationMs = 300): Promise<void> {
    await this.#until(() => this.#messages.length > 0 || this.#end !== undefined, durationMs);
    if (this.#messages.length > 0) throw new Error(`expected silence, got ${show(this.#messages)}`);
    if (this.#end) throw new Error('expected silence, but the stream ended', { cause: this.#end.error });
  }

  /** Everything until the stream ends with OK. */
  async drain(timeoutMs = 10_000): Promise<T[]> {
    await this.#until(() => this.#end !== undefined, timeoutMs);
    if (!this.#end) throw new Error(`the stream did not end within ${timeoutMs} ms`);
    if (this.#end.error) throw this.#end.error;
    return this.#messages.splice(0);
  }

  #notify(): void {
    this.#wake?.();
  }

  async #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }
}

/** JSON for people: bigints with an `n`, bytes as latin1 text. */
export function show(value: unknown): string {
  return JSON.stringify(plain(value));
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}
