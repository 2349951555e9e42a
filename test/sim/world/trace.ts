/** What happened in a run, in order: always as a hash, on request as text. Two runs of one plan must give the same. */
const FNV_PRIME = 0x0100_0193;
const OFFSETS = [0x811c_9dc5, 0x9747_b28c] as const;

export class Trace {
  readonly lines: string[] | undefined;
  #a: number = OFFSETS[0];
  #b: number = OFFSETS[1];

  constructor(withText: boolean) {
    this.lines = withText ? [] : undefined;
  }

  /** 16 hex digits. */
  get hash(): string {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** An event that is not worth a line. */
  step(atMs: number, label: string): void {
    this.#number(atMs * 1000);
    this.#text(label);
  }

  /** `details` are for whoever reads it: they cost more than they tell two traces apart. */
  line(atMs: number, text: string, details?: () => string): void {
    this.#number(atMs * 1000);
    this.#text(text);
    if (this.lines === undefined) return;
    const shown = details === undefined ? text : `${text} ${details()}`;
    this.lines.push(`${atMs.toFixed(3).padStart(12)}  ${shown}`);
  }

  #number(value: number): void {
    this.#mix(value >>> 0);
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
  }

  #mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, FNV_PRIME);
    this.#b = Math.imul(((this.#b << 5) | (this.#b >>> 27)) ^ value, FNV_PRIME);
  }
}
