/** One value, as text, indented JSON or bytes: whichever fits, or was chosen. */
import { hexDump, prettyJson, utf8 } from './bytes.ts';
import { button, el, setText } from './dom.ts';
import { bytes as size } from './format.ts';

/** What is more is not shown: nobody reads it here, and the browser would be busy with it. */
const SHOWN_BYTES_MAX = 64 * 1024;

type Form = 'Text' | 'JSON' | 'Hex';

export class ValueView {
  readonly element: HTMLElement;
  readonly #text = el('pre', { tabindex: '0' });
  readonly #note = el('span.muted');
  readonly #buttons: ReadonlyMap<Form, HTMLButtonElement>;
  #value: Uint8Array = new Uint8Array();

  constructor() {
    const choice = (form: Form): [Form, HTMLButtonElement] => [form, button(form, () => this.#show(form))];
    this.#buttons = new Map([choice('Text'), choice('JSON'), choice('Hex')]);
    const forms = el('div.segments', { role: 'group', 'aria-label': 'Shown as' }, ...this.#buttons.values());
    this.element = el('div.value-view', {}, el('div.bar', {}, forms, this.#note), this.#text);
  }

  set value(value: Uint8Array) {
    this.#value = value;
    const text = utf8(value);
    const isJson = text !== undefined && value.length <= SHOWN_BYTES_MAX && prettyJson(text) !== undefined;
    const jsonButton = this.#buttons.get('JSON');
    if (jsonButton !== undefined) jsonButton.disabled = !isJson;
    if (text === undefined) this.#show('Hex');
    else this.#show(isJson ? 'JSON' : 'Text');
  }

  #show(form: Form): void {
    for (const [name, element] of this.#buttons) element.ariaPressed = String(name === form);
    const shown = this.#value.subarray(0, SHOWN_BYTES_MAX);
    const isCut = shown.length < this.#value.length;
    setText(this.#note, isCut ? `the first ${size(shown.length)} of ${size(this.#value.length)}` : size(shown.length));
    setText(this.#text, inForm(form, shown));
  }
}

function inForm(form: Form, value: Uint8Array): string {
  if (form === 'Hex') return hexDump(value);
  const text = new TextDecoder().decode(value);
  return form === 'JSON' ? (prettyJson(text) ?? text) : text;
}
