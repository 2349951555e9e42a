/**
 * Holds one watch, over however many connections, to what watches promise: filter, ordered, unique, atomic, reliable,
 * resumable, bookmarkable, exact previous values.
 */
import { toBinaryString } from '../../../src/base/bytes.ts';
import { decodeEvent, EventType, type Event } from '../../../src/gen/mvccpb.ts';
import type { WatchResponse } from '../../../src/gen/rpc.ts';
import type { ReferenceStore } from '../model/reference-store.ts';
import { encodedText, inRange, type Version, versionText } from '../model/versions.ts';
import type { WatchAction } from '../plan.ts';
import { require, Violation } from '../world/violation.ts';

export class Watched {
  readonly action: WatchAction;
  readonly name: string;
  readonly #store: ReferenceStore;
  /** All changes of revisions below it that it asked for were delivered, and none from it on; but for `#at`. */
  nextRev: number;
  /** Where in the list of changes the next event is to be looked for. */
  #at = 0;
  /** Of the fragments so far; undefined when none are to follow. */
  #fragmentsFrom: number | undefined;
  events = 0;

  /** `nextRev`: the first revision it is to see. */
  constructor(name: string, action: WatchAction, store: ReferenceStore, nextRev: number) {
    this.name = name;
    this.action = action;
    this.#store = store;
    this.nextRev = nextRev;
    this.#moveTo(nextRev);
  }

  /** A connection broke: what came of a response in fragments is void, and the watch begins anew at `nextRev`. */
  reconnected(): void {
    if (this.#fragmentsFrom === undefined) return;
    this.#at = this.#fragmentsFrom;
    this.#fragmentsFrom = undefined;
  }

  /** A response with events. */
  take(response: WatchResponse, compactRev: number): void {
    const revision = response.header?.revision ?? 0;
    this.#fragmentsFrom ??= this.#at;
    for (const encoded of response.events) this.#takeEvent(decodeEvent(encoded), compactRev);
    if (response.fragment) return;
    this.#fragmentsFrom = undefined;
    this.complete(revision, 'a response');
  }

  /** Everything up to `revision` must have come. */
  complete(revision: number, after: string): void {
    require(this.#fragmentsFrom === undefined, 'watch fragments', () => `${this.name}: ${after} amid fragments`);
    require(revision <= this.#store.revision, 'watch from the future', () => `${this.name}: ${after} at ${revision}`);
    const missing = this.#peek();
    const isWhole = missing === undefined || missing.main > revision;
    require(isWhole, 'watch event missing', () => {
      return `${this.name}: ${after} at ${revision}, without ${missing && describe(missing)}`;
    });
    if (revision + 1 > this.nextRev) this.#moveTo(revision + 1);
  }

  /** Whether an event is still to come. */
  get isBehind(): boolean {
    return this.#peek() !== undefined;
  }

  /** What is between is compacted. */
  skipTo(revision: number): void {
    this.#fragmentsFrom = undefined;
    this.#moveTo(Math.max(revision, this.nextRev));
  }

  #takeEvent(event: Event, compactRev: number): void {
    const { key, prevKv: wantsPrev } = this.action;
    require(event.kv !== undefined, 'watch event', () => `${this.name}: an event without kv`);
    const got = encodedText(event.kv);
    const expected = this.#peek();
    if (expected === undefined) throw new Violation('watch event invented', `${this.name} on ${key}: ${got}`);
    const wanted = expected.isTombstone ? tombstoneText(expected) : versionText(expected);
    const isType = expected.isTombstone === (event.type === EventType.DELETE);
    require(isType && got === wanted, 'watch event', () => `${this.name} on ${key}: ${got} in place of ${wanted}`);
    this.#at++;
    this.events++;
    const prev = event.prevKv === undefined ? undefined : encodedText(event.prevKv);
    if (wantsPrev !== true) {
      require(prev === undefined, 'watch prev_kv', () => `${this.name}: ${prev} was not asked for`);
      return;
    }
    const before = this.#store.at(toBinaryString(keyOf(expected)), expected.main - 1);
    const mustHave = before === undefined ? undefined : versionText(before);
    const mayLack = expected.main - 1 < compactRev;
    const isRight = prev === mustHave || (mayLack && prev === undefined);
    require(isRight, 'watch prev_kv', () => `${this.name}: ${got} was ${prev}, should be ${mustHave}`);
  }

  /** Moves on to the next change that it asked for. */
  #peek(): Version | undefined {
    const { versions } = this.#store;
    while (this.#at < versions.length && !this.#wants(versions[this.#at] as Version)) this.#at++;
    return versions[this.#at];
  }

  #wants({ key, main, isTombstone }: Version): boolean {
    if (main < this.nextRev) return false;
    const { key: from, end = '', noPut, noDelete } = this.action;
    if (isTombstone ? noDelete === true : noPut === true) return false;
    return inRange(key, from, end);
  }

  #moveTo(nextRev: number): void {
    const { versions } = this.#store;
    this.nextRev = nextRev;
    while (this.#at < versions.length && (versions[this.#at] as Version).main < nextRev) this.#at++;
  }
}

function keyOf({ key }: Version): Uint8Array {
  return Buffer.from(key, 'latin1');
}

function tombstoneText({ key, main }: Version): string {
  return `${key}=@${main}/c0/v0`;
}

function describe(version: Version): string {
  return version.isTombstone ? `the deletion ${tombstoneText(version)}` : versionText(version);
}
