/**
 * Names are resolved anew at each dial: a pod that comes back has another address. The system's resolver runs in the thread
 * pool that also syncs the log, and blocks for seconds when the name servers are gone; so few lookups run at a time, and dials
 * to the same name share one.
 */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

type Callback = Parameters<LookupFunction>[2];
type Options = Parameters<LookupFunction>[1];
/** As dns.lookup. */
export type Resolve = (hostname: string, options: Options, callback: Callback) => void;

const RUNNING_MAX = 2;

interface Lookup {
  readonly key: string;
  readonly hostname: string;
  readonly options: Options;
  readonly callbacks: Callback[];
}

export class NameLookup {
  readonly #resolve: Resolve;
  /** By name and options; running or waiting. No more than there are peers' URLs, as dials to one name share it. */
  readonly #lookups = new Map<string, Lookup>();
  readonly #waiting: Lookup[] = [];
  #running = 0;

  constructor(resolve: Resolve = dns.lookup) {
    this.#resolve = resolve;
  }

  /** To be given to net.connect and its like. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const key = `${hostname} ${String(options.family)} ${String(options.all)} ${String(options.hints)}`;
    const known = this.#lookups.get(key);
    if (known !== undefined) {
      known.callbacks.push(callback);
      return;
    }
    const lookup = { key, hostname, options, callbacks: [callback] };
    this.#lookups.set(key, lookup);
    if (this.#running < RUNNING_MAX) this.#run(lookup);
    else this.#waiting.push(lookup);
  };

  #run({ key, hostname, options, callbacks }: Lookup): void {
    this.#running++;
    this.#resolve(hostname, options, (...result) => {
      this.#running--;
      this.#lookups.delete(key);
      const next = this.#waiting.shift();
      if (next !== undefined) this.#run(next);
      for (const callback of callbacks) callback(...result);
    });
  }
}
