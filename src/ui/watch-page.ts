/** What happens to a key, or to all below a prefix, as it happens. */
import { explain, type Api, type WatchBatch, type WatchEvent } from './api.ts';
import { escaped, prefixEnd, unescaped } from './bytes.ts';
import { button, el, field, setText } from './dom.ts';
import { bytes as size, count, short } from './format.ts';
import { PLAIN_INPUT } from './keys-page.ts';

/** The latest ones stay, earlier ones go. */
export const WATCH_ROWS_MAX = 200;
/** Events that wait to be shown; then the next are read only after those were. */
const PENDING_MAX = WATCH_ROWS_MAX;
const SHOW_MS = 100;
const PREVIEW_BYTES = 160;

export class WatchPage {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #onError: (error: unknown) => void;
  readonly #key = el<HTMLInputElement>('input.mono', { ...PLAIN_INPUT, name: 'key', placeholder: 'all keys' });
  readonly #isPrefix = el<HTMLInputElement>('input', { type: 'checkbox', name: 'is-prefix', checked: true });
  readonly #from = el<HTMLInputElement>('input.mono.short', {
    ...PLAIN_INPUT,
    name: 'from',
    inputmode: 'numeric',
    placeholder: 'now',
  });
  readonly #toggle = el<HTMLButtonElement>('button.primary', { type: 'submit' }, 'Start');
  readonly #status = el('span.muted', { role: 'status' }, 'Not started.');
  readonly #message = el('p.message', { role: 'alert' });
  readonly #rows = el('tbody');
  #running: AbortController | undefined;
  #pending: WatchEvent[] = [];
  #seen = 0;
  #seenBefore = 0;
  #perSecond = 0;
  #countedMs = 0;

  constructor(api: Api, onError: (error: unknown) => void) {
    this.#api = api;
    this.#onError = onError;
    const form = el(
      'form.card.toolbar',
      {},
      field('Key', this.#key),
      field('all keys that start with it', this.#isPrefix, 'label.check'),
      field('From revision', this.#from),
      this.#toggle,
      button('Clear', () => this.#rows.replaceChildren()),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#running === undefined) void this.#start();
      else this.stop();
    });
    const head = ['Revision', '', 'Key', 'Size', 'Value'].map((name, i) =>
      el(i === 0 || i === 3 ? 'th.number' : 'th', {}, name),
    );
    const table = el('table.events', {}, el('thead', {}, el('tr', {}, ...head)), this.#rows);
    const list = el('section.card', { 'aria-label': 'Events' }, this.#message, el('div.bar', {}, this.#status));
    list.append(el('div.scroll', {}, table));
    this.element = el('main.watch', {}, form, list);
  }

  /** From the address: a key to watch, at once. */
  open(query: URLSearchParams): void {
    const key = query.get('key');
    if (key === null) return;
    this.stop();
    this.#key.value = key;
    this.#isPrefix.checked = false;
    void this.#start();
  }

  stop(): void {
    this.#running?.abort();
  }

  async #start(): Promise<void> {
    const startRevision = Number(this.#from.value);
    if (!Number.isSafeInteger(startRevision) || startRevision < 0) {
      setText(this.#message, 'A revision is a whole number.');
      return;
    }
    const running = new AbortController();
    this.#running = running;
    this.#begin();
    const timer = setInterval(() => this.#flush(), SHOW_MS);
    try {
      const key = unescaped(this.#key.value);
      const isAll = this.#isPrefix.checked || key.length === 0;
      const request = { key, startRevision, ...(isAll && { rangeEnd: prefixEnd(key) }) };
      for await (const batch of this.#api.watch(request, running.signal)) await this.#take(batch);
    } catch (error) {
      if (!running.signal.aborted) {
        setText(this.#message, explain(error));
        this.#onError(error);
      }
    }
    clearInterval(timer);
    this.#running = undefined;
    this.#flush();
    setText(this.#toggle, 'Start');
    setText(this.#status, `Stopped after ${count(this.#seen)} events.`);
  }

  #begin(): void {
    setText(this.#message, '');
    setText(this.#toggle, 'Stop');
    setText(this.#status, 'Starting …');
    this.#rows.replaceChildren();
    this.#seen = 0;
    this.#seenBefore = 0;
    this.#perSecond = 0;
    this.#countedMs = performance.now();
  }

  async #take(batch: WatchBatch): Promise<void> {
    if (batch.ended !== undefined) {
      const hint = batch.compactRevision > 0 ? `; history begins at ${count(batch.compactRevision)}` : '';
      throw new Error(batch.ended + hint);
    }
    this.#seen += batch.events.length;
    for (const event of batch.events.slice(-PENDING_MAX)) this.#pending.push(event);
    if (this.#pending.length < PENDING_MAX) return;
    // Whoever writes faster than anybody can read is kept waiting in the server, not in the browser's memory.
    await new Promise((resolve) => setTimeout(resolve, SHOW_MS));
    this.#flush();
  }

  #flush(): void {
    const rows = this.#pending.slice(-WATCH_ROWS_MAX).reverse().map(rowOf);
    this.#pending = [];
    this.#rows.prepend(...rows);
    while (this.#rows.children.length > WATCH_ROWS_MAX) this.#rows.lastElementChild?.remove();
    const nowMs = performance.now();
    if (nowMs - this.#countedMs >= 1000) {
      this.#perSecond = (1000 * (this.#seen - this.#seenBefore)) / (nowMs - this.#countedMs);
      this.#seenBefore = this.#seen;
      this.#countedMs = nowMs;
    }
    const shown = this.#seen > WATCH_ROWS_MAX ? `, the latest ${WATCH_ROWS_MAX} are shown` : '';
    setText(this.#status, `Watching: ${count(this.#seen)} events, ${short(Math.round(this.#perSecond))}/s${shown}.`);
  }
}

function rowOf({ type, kv }: WatchEvent): HTMLElement {
  const isDelete = type === 'DELETE';
  return el(
    'tr',
    {},
    el('td.number', {}, count(kv.modRevision)),
    el('td', {}, el(`span.badge.${type.toLowerCase()}`, {}, type)),
    el('td.key.mono', {}, escaped(kv.key)),
    el('td.number', {}, isDelete ? '' : size(kv.value.length)),
    el('td.preview.mono', {}, isDelete ? '' : escaped(kv.value.subarray(0, PREVIEW_BYTES))),
  );
}
