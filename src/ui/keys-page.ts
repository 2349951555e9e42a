/** Keys by prefix, a page at a time, all pages as of one revision. */
import { explain, type Api, type KeyValue } from './api.ts';
import { escaped, prefixEnd, successor, unescaped } from './bytes.ts';
import { button, el, field, setText } from './dom.ts';
import { count } from './format.ts';
import { KeyDetail } from './key-detail.ts';

export const KEYS_PER_PAGE = 50;

export class KeysPage {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #onError: (error: unknown) => void;
  readonly #prefix = el<HTMLInputElement>('input.mono', {
    ...PLAIN_INPUT,
    name: 'prefix',
    placeholder: 'all keys',
  });
  readonly #revision = el<HTMLInputElement>('input.mono.short', {
    ...PLAIN_INPUT,
    name: 'revision',
    inputmode: 'numeric',
    placeholder: 'current',
  });
  readonly #rows = el('tbody');
  readonly #position = el('span.muted', { role: 'status' });
  readonly #message = el('p.message', { role: 'alert' });
  readonly #previous = button('Previous', () => void this.#turn(-1));
  readonly #next = button('Next', () => void this.#turn(1));
  readonly #detail = el('div.detail-place');
  /** The first key of each page so far. */
  #starts: Uint8Array[] = [];
  #at = 0;
  /** All pages are as of this one. */
  #asOf = 0;
  #count = 0;

  constructor(api: Api, onError: (error: unknown) => void) {
    this.#api = api;
    this.#onError = onError;
    const form = el('form.card.toolbar', {}, field('Prefix', this.#prefix), field('At revision', this.#revision));
    form.append(el('button.primary', { type: 'submit' }, 'Show'));
    form.append(button('Open key', () => this.#open(unescaped(this.#prefix.value))));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#remember();
      void this.#search();
    });
    const head = ['Key', 'Version', 'Modified at'].map((name, i) => el(i === 0 ? 'th' : 'th.number', {}, name));
    const list = el(
      'section.card.key-list',
      { 'aria-label': 'Keys' },
      this.#message,
      el('div.bar.pager', {}, this.#previous, this.#next, this.#position),
      el('table', {}, el('thead', {}, el('tr', {}, ...head)), this.#rows),
    );
    this.element = el('main.keys', {}, form, el('div.split', {}, list, this.#detail));
  }

  /** From the address: prefix, rev. */
  async open(query: URLSearchParams): Promise<void> {
    this.#prefix.value = query.get('prefix') ?? '';
    this.#revision.value = query.get('rev') ?? '';
    await this.#search();
  }

  /** The address then leads to what is shown; it does not change the page. */
  #remember(): void {
    const query = new URLSearchParams();
    if (this.#prefix.value !== '') query.set('prefix', this.#prefix.value);
    if (this.#revision.value !== '') query.set('rev', this.#revision.value);
    history.replaceState(null, '', `#/keys?${query.toString()}`);
  }

  async #search(): Promise<void> {
    const revision = Number(this.#revision.value);
    if (!Number.isSafeInteger(revision) || revision < 0) {
      setText(this.#message, 'A revision is a whole number.');
      return;
    }
    this.#starts = [unescaped(this.#prefix.value)];
    this.#at = 0;
    this.#asOf = revision;
    this.#detail.replaceChildren();
    await this.#load();
  }

  async #turn(by: number): Promise<void> {
    this.#at += by;
    await this.#load();
  }

  async #load(): Promise<void> {
    const key = this.#starts[this.#at] ?? new Uint8Array();
    this.#previous.disabled = true;
    this.#next.disabled = true;
    try {
      const rangeEnd = prefixEnd(unescaped(this.#prefix.value));
      const request = { key, rangeEnd, limit: KEYS_PER_PAGE, revision: this.#asOf, keysOnly: true };
      const { kvs, more, count: found, revision } = await this.#api.range(request);
      if (this.#at === 0) this.#count = found;
      if (this.#asOf === 0) this.#asOf = revision;
      const last = kvs.at(-1);
      if (last !== undefined) this.#starts[this.#at + 1] = successor(last.key);
      this.#show(kvs, more);
      setText(this.#message, '');
    } catch (error) {
      this.#rows.replaceChildren();
      setText(this.#position, '');
      setText(this.#message, explain(error));
      this.#onError(error);
    }
    this.#previous.disabled = this.#at === 0;
  }

  #show(kvs: readonly KeyValue[], more: boolean): void {
    this.#rows.replaceChildren(...kvs.map((kv) => this.#row(kv)));
    this.#next.disabled = !more;
    const first = this.#at * KEYS_PER_PAGE;
    const span =
      kvs.length === 0 ? 'No keys' : `${count(first + 1)}–${count(first + kvs.length)} of ${count(this.#count)}`;
    setText(this.#position, `${span} at revision ${count(this.#asOf)}`);
  }

  #row(kv: KeyValue): HTMLElement {
    const open = button(escaped(kv.key), () => this.#open(kv.key, row), 'button.link.mono');
    const row = el(
      'tr',
      {},
      el('td.key', {}, open),
      el('td.number', {}, count(kv.version)),
      el('td.number', {}, count(kv.modRevision)),
    );
    return row;
  }

  #open(key: Uint8Array, row?: HTMLElement): void {
    if (key.length === 0) return;
    for (const other of this.#rows.children) other.classList.toggle('selected', other === row);
    const detail = new KeyDetail(this.#api, key, this.#onError);
    this.#detail.replaceChildren(detail.element);
    const isBelow = row !== undefined && matchMedia('(max-width: 900px)').matches;
    void detail.load(this.#revision.value === '' ? 0 : this.#asOf).then(() => {
      if (isBelow) detail.element.scrollIntoView();
    });
  }
}

/** Keys are not words: nothing is to be suggested, corrected or kept. */
export const PLAIN_INPUT = { type: 'text', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' };
