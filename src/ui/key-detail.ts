/** One key: what it says, and what it said. */
import { explain, type Api, type KeyValue } from './api.ts';
import { escaped } from './bytes.ts';
import { button, el, setText } from './dom.ts';
import { bytes as size, count, duration, NONE } from './format.ts';
import { earlierLives, olderVersions } from './key-history.ts';
import { ValueView } from './value-view.ts';

const VERSIONS_AT_ONCE = 10;
const EARLIER_EVENTS_MAX = 100;
const PREVIEW_BYTES = 120;

/** One change of the key, as the history lists it. */
interface Change {
  readonly kv: KeyValue;
  readonly isDelete: boolean;
}

export class KeyDetail {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #key: Uint8Array;
  readonly #facts = el('dl.facts');
  readonly #value = new ValueView();
  readonly #rows = el('tbody');
  readonly #more: HTMLElement = el('div.bar');
  readonly #message = el('p.message', { role: 'status' });
  #oldest: KeyValue | undefined;
  #changes = 0;

  constructor(api: Api, key: Uint8Array, onError: (error: unknown) => void) {
    this.#api = api;
    this.#key = key;
    this.#onError = onError;
    const watch = el('a.button', { href: `#/watch?key=${encodeURIComponent(escaped(key))}` }, 'Watch');
    this.element = el(
      'section.card.detail-pane',
      { 'aria-label': 'Key' },
      el('header', {}, el('h2.mono', {}, escaped(key)), watch),
      this.#message,
      this.#facts,
      this.#value.element,
      el('h3', {}, 'History'),
      el('div.scroll', {}, el('table.history', {}, this.#rows)),
      this.#more,
    );
  }

  readonly #onError: (error: unknown) => void;

  /** `revision` 0: as it is now. */
  async load(revision: number): Promise<void> {
    await this.#guarded(async () => {
      const { kvs } = await this.#api.range({ key: this.#key, revision, limit: 1 });
      const [kv] = kvs;
      if (kv === undefined) {
        setText(this.#message, 'There is no such key at this revision.');
        this.#value.element.hidden = true;
        this.#offerEarlierLives(revision === 0 ? Infinity : revision + 1);
        return;
      }
      await this.#show({ kv, isDelete: false });
      this.#oldest = kv;
      this.#add({ kv, isDelete: false });
      await this.#loadOlder();
    });
  }

  async #show({ kv, isDelete }: Change): Promise<void> {
    for (const row of this.#rows.children) {
      const isShown = row instanceof HTMLElement && row.dataset['revision'] === String(kv.modRevision);
      row.classList.toggle('selected', isShown);
    }
    this.#value.element.hidden = isDelete;
    this.#value.value = kv.value;
    const facts: [string, string][] = [
      [isDelete ? 'Deleted at' : 'Modified at', count(kv.modRevision)],
      ['Created at', isDelete ? NONE : count(kv.createRevision)],
      ['Version', isDelete ? NONE : count(kv.version)],
      ['Lease', kv.lease === 0n ? 'none' : kv.lease.toString(16)],
    ];
    this.#facts.replaceChildren(...facts.map(([name, text]) => el('div', {}, el('dt', {}, name), el('dd', {}, text))));
    if (kv.lease !== 0n) await this.#showLease(kv.lease);
  }

  async #showLease(lease: bigint): Promise<void> {
    let left: string;
    try {
      const ttl = await this.#api.timeToLive(lease);
      left = ttl === undefined ? 'gone' : `${duration(ttl)} left`;
    } catch (error) {
      // Not worth more than a word: the rest can be shown without.
      left = explain(error);
    }
    const last = this.#facts.lastElementChild?.querySelector('dd');
    if (last !== null && last !== undefined) setText(last, `${lease.toString(16)}, ${left}`);
  }

  #add(change: Change): void {
    const { kv, isDelete } = change;
    const kind = isDelete ? 'DELETE' : 'PUT';
    const open = button(count(kv.modRevision), () => void this.#show(change), 'button.link');
    const row = el(
      'tr',
      { 'data-revision': String(kv.modRevision) },
      el('td.number', {}, open),
      el('td', {}, el(`span.badge.${kind.toLowerCase()}`, {}, kind)),
      el('td.number', {}, isDelete ? '' : size(kv.value.length)),
      el('td.preview.mono', {}, isDelete ? '' : escaped(kv.value.subarray(0, PREVIEW_BYTES))),
    );
    if (this.#changes++ === 0) row.classList.add('selected');
    this.#rows.append(row);
  }

  async #loadOlder(): Promise<void> {
    if (this.#oldest === undefined) return;
    const { versions, end } = await olderVersions(this.#api, this.#oldest, VERSIONS_AT_ONCE);
    for (const kv of versions) this.#add({ kv, isDelete: false });
    this.#oldest = versions.at(-1) ?? this.#oldest;
    if (end === 'more') this.#offer('Older versions', () => this.#loadOlder());
    else if (end === 'compacted') this.#more.replaceChildren(el('span.muted', {}, 'Older versions are compacted.'));
    else this.#offerEarlierLives(this.#oldest.createRevision);
  }

  #offerEarlierLives(before: number): void {
    this.#offer('Look for earlier lives of the key', async () => {
      const events = await earlierLives(this.#api, this.#key, before, EARLIER_EVENTS_MAX);
      for (const { kv, type } of events) this.#add({ kv, isDelete: type === 'DELETE' });
      const text = events.length === 0 ? 'Nothing earlier in what is not compacted.' : 'That is all there is.';
      this.#more.replaceChildren(el('span.muted', {}, text));
    });
  }

  #offer(label: string, load: () => Promise<void>): void {
    const offer = button(label, () => {
      offer.disabled = true;
      void this.#guarded(load);
    });
    this.#more.replaceChildren(offer);
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      setText(this.#message, explain(error));
      this.#onError(error);
    }
  }
}
