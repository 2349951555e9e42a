/** Elements. Children that are text become text, whatever they say: there is no way to markup here. */

type Child = Node | string | undefined;
type Attributes = Readonly<Record<string, string | boolean | undefined>>;

/** `name`: a tag, with classes after dots. */
export function el<T extends HTMLElement = HTMLElement>(
  name: string,
  attributes: Attributes = {},
  ...children: Child[]
): T {
  const [tag = 'div', ...classes] = name.split('.');
  const element = document.createElement(tag) as T;
  if (classes.length > 0) element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, '');
    else if (typeof value === 'string') element.setAttribute(key, value);
  }
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

/** Leaves the element alone, selections in it too, where nothing changed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setTitle(element: HTMLElement, title: string): void {
  if (element.title !== title) element.title = title;
}

/** `on` is called with each click on a new button. */
export function button(label: string, on: () => void, name = 'button'): HTMLButtonElement {
  const element = el<HTMLButtonElement>(name, { type: 'button' }, label);
  element.addEventListener('click', on);
  return element;
}

export function field(label: string, input: HTMLElement, name = 'label.field'): HTMLElement {
  return el(name, {}, el('span', {}, label), input);
}
