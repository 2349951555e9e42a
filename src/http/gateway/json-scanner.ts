/**
 * Finds where a JSON value ends, as its bytes come in, and what is wrong with it: in the words of Go's scanner, which clients of
 * etcd get to see. Keeps no more of the nesting than a byte a level, so that depth costs no stack.
 */

import { GrowingBuffer } from './growing-buffer.ts';

/** Go's limit. */
const DEPTH_MAX = 10_000;

const State = {
  value: 0,
  firstKey: 1,
  key: 2,
  afterKey: 3,
  afterPair: 4,
  firstElement: 5,
  afterElement: 6,
  string: 7,
  escape: 8,
  hex: 9,
  minus: 10,
  zero: 11,
  digits: 12,
  dot: 13,
  fraction: 14,
  exponent: 15,
  exponentSign: 16,
  exponentDigits: 17,
  literal: 18,
} as const;

const IN_OBJECT = 1;
const IN_ARRAY = 2;

export class JsonSyntaxError extends Error {}

export class JsonScanner {
  readonly #bytesMax: number;
  #state: number = State.value;
  readonly #nesting: number[] = [];
  /** The string at hand is a key. */
  #isKey = false;
  #hexDigits = 0;
  #literal = '';
  #literalAt = 0;
  /** Of the value at hand, from its first byte on. */
  readonly #pending = new GrowingBuffer();

  /** Throws for a value that is longer. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What it keeps takes so much memory. */
  get heldBytes(): number {
    return this.#pending.capacity;
  }

  /** Every value that is complete with this chunk; valid until the next chunk. Throws JsonSyntaxError where one can not go on like that. */
  *push(chunk: Uint8Array): Generator<Buffer> {
    let at = this.#pending.length;
    let data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (at > 0) {
      this.#pending.push(chunk);
      data = this.#pending.bytes;
    }
    const isJoined = at > 0;
    let done = 0;
    let start = 0;
    while (at < data.length) {
      const byte = data[at] ?? 0;
      if (at === start && isSpace(byte)) {
        start = ++at;
        continue;
      }
      const verdict = this.#step(byte);
      if (verdict === 'before' || verdict === 'here') {
        const end = verdict === 'here' ? at + 1 : at;
        yield data.subarray(start, end);
        this.#state = State.value;
        data = data.subarray(end);
        done += end;
        at = 0;
        start = 0;
      } else {
        at = this.#state === State.string ? skipPlain(data, at + 1) : at + 1;
      }
    }
    if (data.length - start > this.#bytesMax) throw new JsonSyntaxError('request body is too large');
    if (isJoined) this.#pending.shift(done + start);
    else this.#pending.push(data.subarray(start));
    if (this.#pending.length === 0) this.#pending.clear();
  }

  /** The bytes end here: a number may be complete now. Throws for a value that is not. */
  end(): Buffer | undefined {
    const rest = this.#pending.bytes;
    if (rest.length === 0) return undefined;
    if (this.#nesting.length > 0 || !isNumberEnd(this.#state)) throw new JsonSyntaxError('unexpected EOF');
    this.#pending.clear();
    return rest;
  }

  /** `here`: the value ends with this byte; `before`: it ended with the one before. */
  #step(byte: number): 'on' | 'here' | 'before' {
    switch (this.#state) {
      case State.string:
        return this.#inString(byte);
      case State.escape:
        if (byte === 0x75) {
          this.#hexDigits = 0;
          this.#state = State.hex;
        } else if ('bfnrt\\/"'.includes(String.fromCharCode(byte))) {
          this.#state = State.string;
        } else {
          throw invalid(byte, 'in string escape code');
        }
        return 'on';
      case State.hex:
        if (!isHex(byte)) throw invalid(byte, 'in \\u hexadecimal character escape');
        if (++this.#hexDigits === 4) this.#state = State.string;
        return 'on';
      case State.literal:
        return this.#inLiteral(byte);
      case State.minus:
      case State.zero:
      case State.digits:
      case State.dot:
      case State.fraction:
      case State.exponent:
      case State.exponentSign:
      case State.exponentDigits:
        return this.#inNumber(byte);
      default:
        return isSpace(byte) ? 'on' : this.#structure(byte);
    }
  }

  #structure(byte: number): 'on' | 'here' {
    switch (this.#state) {
      case State.firstKey:
      case State.key:
        if (byte === 0x7d && this.#state === State.firstKey) return this.#close();
        if (byte !== 0x22) throw invalid(byte, 'looking for beginning of object key string');
        this.#isKey = true;
        this.#state = State.string;
        return 'on';
      case State.afterKey:
        if (byte !== 0x3a) throw invalid(byte, 'after object key');
        this.#state = State.value;
        return 'on';
      case State.afterPair:
        if (byte === 0x7d) return this.#close();
        if (byte !== 0x2c) throw invalid(byte, 'after object key:value pair');
        this.#state = State.key;
        return 'on';
      case State.afterElement:
        if (byte === 0x5d) return this.#close();
        if (byte !== 0x2c) throw invalid(byte, 'after array element');
        this.#state = State.value;
        return 'on';
      default:
        if (byte === 0x5d && this.#state === State.firstElement) return this.#close();
        return this.#begin(byte);
    }
  }

  /** The first byte of a value. */
  #begin(byte: number): 'on' {
    if (byte === 0x7b) this.#open(IN_OBJECT, byte);
    else if (byte === 0x5b) this.#open(IN_ARRAY, byte);
    else if (byte === 0x22) {
      this.#isKey = false;
      this.#state = State.string;
    } else if (byte === 0x2d) this.#state = State.minus;
    else if (byte === 0x30) this.#state = State.zero;
    else if (isDigit(byte)) this.#state = State.digits;
    else {
      const literal = ['true', 'false', 'null'].find((text) => text.charCodeAt(0) === byte);
      if (literal === undefined) throw invalid(byte, 'looking for beginning of value');
      this.#literal = literal;
      this.#literalAt = 1;
      this.#state = State.literal;
    }
    return 'on';
  }

  #open(kind: number, byte: number): void {
    if (this.#nesting.length >= DEPTH_MAX) throw invalid(byte, 'exceeded max depth');
    this.#nesting.push(kind);
    this.#state = kind === IN_OBJECT ? State.firstKey : State.firstElement;
  }

  #close(): 'on' | 'here' {
    this.#nesting.pop();
    return this.#ended();
  }

  /** After a value. */
  #ended(): 'on' | 'here' {
    const around = this.#nesting.at(-1);
    if (around === undefined) return 'here';
    this.#state = around === IN_OBJECT ? State.afterPair : State.afterElement;
    return 'on';
  }

  #inString(byte: number): 'on' | 'here' {
    if (byte === 0x5c) this.#state = State.escape;
    else if (byte < 0x20) throw invalid(byte, 'in string literal');
    else if (byte === 0x22) {
      if (!this.#isKey) return this.#ended();
      this.#state = State.afterKey;
    }
    return 'on';
  }

  #inLiteral(byte: number): 'on' | 'here' {
    const expected = this.#literal.charAt(this.#literalAt);
    if (String.fromCharCode(byte) !== expected) {
      throw invalid(byte, `in literal ${this.#literal} (expecting '${expected}')`);
    }
    return ++this.#literalAt === this.#literal.length ? this.#ended() : 'on';
  }

  #inNumber(byte: number): 'on' | 'here' | 'before' {
    const next = numberState(this.#state, byte);
    if (next !== undefined) {
      this.#state = next;
      return 'on';
    }
    if (this.#nesting.length === 0) return 'before';
    this.#ended();
    return isSpace(byte) ? 'on' : this.#structure(byte);
  }
}

/** What follows in a number; undefined: it ended before this byte. */
function numberState(state: number, byte: number): number | undefined {
  const isExponent = byte === 0x65 || byte === 0x45;
  switch (state) {
    case State.minus:
      if (!isDigit(byte)) throw invalid(byte, 'in numeric literal');
      return byte === 0x30 ? State.zero : State.digits;
    case State.dot:
      if (!isDigit(byte)) throw invalid(byte, 'after decimal point in numeric literal');
      return State.fraction;
    case State.exponent:
    case State.exponentSign:
      if (state === State.exponent && (byte === 0x2b || byte === 0x2d)) return State.exponentSign;
      if (!isDigit(byte)) throw invalid(byte, 'in exponent of numeric literal');
      return State.exponentDigits;
    case State.exponentDigits:
      return isDigit(byte) ? state : undefined;
    default:
      if (isDigit(byte) && state !== State.zero) return state;
      if (byte === 0x2e && state !== State.fraction) return State.dot;
      return isExponent ? State.exponent : undefined;
  }
}

function isNumberEnd(state: number): boolean {
  return [State.zero, State.digits, State.fraction, State.exponentDigits].some((end) => end === state);
}

/** Past the bytes of a string that mean nothing. */
function skipPlain(data: Buffer, from: number): number {
  let at = from;
  for (; at < data.length; at++) {
    const byte = data[at] ?? 0;
    if (byte === 0x22 || byte === 0x5c || byte < 0x20) break;
  }
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function invalid(byte: number, where: string): JsonSyntaxError {
  return new JsonSyntaxError(`invalid character ${quoted(byte)} ${where}`);
}

const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  0x07: '\\a',
  0x08: '\\b',
  0x09: '\\t',
  0x0a: '\\n',
  0x0b: '\\v',
  0x0c: '\\f',
  0x0d: '\\r',
  0x27: "\\'",
  0x5c: '\\\\',
};

/** A byte as Go shows it, which takes it for a code point. */
function quoted(byte: number): string {
  const short = SHORT_ESCAPES[byte];
  if (short !== undefined) return `'${short}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, '0')}'`;
  if (byte >= 0x80 && byte <= 0xa0) return `'\\u00${byte.toString(16)}'`;
  return byte === 0xad ? "'\\u00ad'" : `'${String.fromCharCode(byte)}'`;
}
