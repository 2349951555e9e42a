/** JSON to protobuf, with the rules and the words of protobuf's JSON mapping in Go. Unknown fields are ignored. */
import { isUtf8 } from 'node:buffer';
import { sharedWriter, type WireWriter } from '../../base/wire.ts';
import type { FieldSchema, MessageSchema } from './schema.ts';

/** As deep as the wire format may nest here. */
const DEPTH_MAX = 100;
const PLAIN_BYTES_MAX = 64;
const VARINT = 0;
const LENGTH = 2;

export class RequestError extends Error {}

interface Token {
  readonly start: number;
  readonly end: number;
}

/** `json`: one value that a JsonScanner has found. Throws RequestError. */
export function decodeRequest(schema: MessageSchema, json: Buffer): Uint8Array {
  const writer = sharedWriter();
  new RequestDecoder(json, writer).message(schema, 0);
  return writer.finish();
}

class RequestDecoder {
  readonly #json: Buffer;
  readonly #writer: WireWriter;
  #at = 0;

  constructor(json: Buffer, writer: WireWriter) {
    this.#json = json;
    this.#writer = writer;
  }

  message(schema: MessageSchema, depth: number): void {
    if (depth > DEPTH_MAX) throw new RequestError(`${PROTO}exceeded max recursion depth`);
    if (this.#peek() !== 0x7b) throw this.#unexpected(this.#scalar());
    this.#at++;
    const seen: number[] = [];
    const seenOneofs: string[] = [];
    while (this.#peek() !== 0x7d) {
      if (this.#json[this.#at] === 0x2c) this.#at++;
      this.#peek();
      const name = this.#stringToken();
      const field = schema.byName.get(this.#text(name));
      this.#peek();
      this.#at++;
      if (field === undefined) {
        this.#skipValue();
        continue;
      }
      if (seen.includes(field.number)) throw this.#error(name, `duplicate field ${this.#raw(name)}`);
      seen.push(field.number);
      if (this.#peek() === 0x6e) {
        this.#scalar();
        continue;
      }
      if (field.oneof !== undefined) {
        if (seenOneofs.includes(field.oneof)) {
          const oneof = `${schema.fullName}.${field.oneof}`;
          throw this.#error(name, `error parsing ${this.#raw(name)}, oneof ${oneof} is already set`);
        }
        seenOneofs.push(field.oneof);
      }
      if (field.repeated) this.#list(field, depth);
      else this.#value(field, depth);
    }
    this.#at++;
  }

  #list(field: FieldSchema, depth: number): void {
    if (this.#peek() !== 0x5b) throw this.#unexpected(this.#scalar());
    this.#at++;
    while (this.#peek() !== 0x5d) {
      if (this.#json[this.#at] === 0x2c) this.#at++;
      this.#value(field, depth);
    }
    this.#at++;
  }

  #value(field: FieldSchema, depth: number): void {
    const writer = this.#writer;
    this.#peek();
    if (field.message !== undefined) {
      const mark = writer.begin(tagOf(field, LENGTH));
      this.message(field.message(), depth + 1);
      writer.end(mark);
      return;
    }
    const token = this.#scalar();
    const isFine = this.#write(field, token);
    if (!isFine) {
      throw this.#error(token, `invalid value for ${field.kind} field ${field.jsonName}: ${this.#raw(token)}`);
    }
  }

  /** False: this is no value for the field. Zeros are left out where that means the same. */
  #write(field: FieldSchema, token: Token): boolean {
    const writer = this.#writer;
    const isTold = field.repeated || field.oneof !== undefined;
    const first = this.#json[token.start];
    switch (field.kind) {
      case 'bool': {
        if (first !== 0x74 && first !== 0x66) return false;
        if (isTold || first === 0x74) writer.bool(tagOf(field, VARINT), first === 0x74);
        return true;
      }
      case 'string': {
        if (first !== 0x22) return false;
        const text = this.#text(token);
        if (isTold || text !== '') writer.string(tagOf(field, LENGTH), text);
        return true;
      }
      case 'bytes': {
        const bytes = first === 0x22 ? fromBase64(this.#text(token)) : undefined;
        if (bytes === undefined) return false;
        if (isTold || bytes.length > 0) writer.bytes(tagOf(field, LENGTH), bytes);
        return true;
      }
      default: {
        const value = field.enumeration === undefined ? this.#integer(field.kind, token) : this.#enum(field, token);
        if (value === undefined) return false;
        if (value !== IGNORED && (isTold || value !== 0n)) writer.bigint64(tagOf(field, VARINT), value);
        return true;
      }
    }
  }

  #integer(kind: string, token: Token): bigint | undefined {
    const isText = this.#json[token.start] === 0x22;
    return parseInteger(kind, isText ? this.#text(token) : this.#raw(token));
  }

  /** A name that is unknown counts as an unknown field. */
  #enum({ enumeration }: FieldSchema, token: Token): bigint | typeof IGNORED | undefined {
    if (this.#json[token.start] !== 0x22) return parseInteger('int32', this.#raw(token));
    const name = this.#text(token);
    const number =
      enumeration !== undefined && Object.hasOwn(enumeration.numbers, name) ? enumeration.numbers[name] : undefined;
    return number === undefined ? IGNORED : BigInt(number);
  }

  /** The next byte that is no space, where the cursor stands then. */
  #peek(): number {
    for (;;) {
      const byte = this.#json[this.#at] ?? 0;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#at++;
    }
  }

  /** A token of any kind; of an object or a list its bracket. */
  #scalar(): Token {
    const start = this.#at;
    const byte = this.#peek();
    if (byte === 0x22) return this.#stringToken();
    if (byte === 0x7b || byte === 0x5b) {
      this.#at++;
    } else {
      while (this.#at < this.#json.length && isWordByte(this.#json[this.#at] ?? 0)) this.#at++;
    }
    return { start, end: this.#at };
  }

  #stringToken(): Token {
    const start = this.#at;
    this.#at = endOfString(this.#json, start);
    return { start, end: this.#at };
  }

  #raw({ start, end }: Token): string {
    return this.#json.toString('utf8', start, end);
  }

  #text(token: Token): string {
    if (isPlain(this.#json, token)) return this.#json.toString('latin1', token.start + 1, token.end - 1);
    const bytes = this.#json.subarray(token.start + 1, token.end - 1);
    if (!isUtf8(bytes)) throw this.#syntaxError(token, 'invalid UTF-8 in string');
    if (!bytes.includes(0x5c)) return bytes.toString('utf8');
    const text = JSON.parse(this.#raw(token)) as string;
    if (!text.isWellFormed()) throw this.#syntaxError(token, loneSurrogate(this.#raw(token)));
    return text;
  }

  /** Without recursion: what is unknown may nest as deep as it likes. */
  #skipValue(): void {
    let depth = 0;
    do {
      const byte = this.#peek();
      if (byte === 0x22) this.#stringToken();
      else if (byte === 0x7b || byte === 0x5b) {
        depth++;
        this.#at++;
      } else if (byte === 0x7d || byte === 0x5d) {
        depth--;
        this.#at++;
      } else if (byte === 0x2c || byte === 0x3a) this.#at++;
      else this.#scalar();
    } while (depth > 0);
  }

  #unexpected(token: Token): RequestError {
    return this.#syntaxError(token, `unexpected token ${this.#raw(token)}`);
  }

  #syntaxError(token: Token, text: string): RequestError {
    return new RequestError(`${PROTO}syntax error ${this.#place(token)}: ${text}`);
  }

  #error(token: Token, text: string): RequestError {
    return new RequestError(`${PROTO}${this.#place(token)}: ${text}`);
  }

  #place({ start }: Token): string {
    const before = this.#json.toString('utf8', 0, start);
    const lines = before.split('\n');
    return `(line ${lines.length}:${Array.from(lines.at(-1) ?? '').length + 1})`;
  }
}

/** With a no-break space, as in the builds of etcd that put spaces after commas: see the printers. */
const PROTO = 'proto:\u00a0';

const IGNORED = Symbol('ignored');

function tagOf(field: FieldSchema, wireType: number): number {
  return field.number * 8 + wireType;
}

function isWordByte(byte: number): boolean {
  return byte > 0x20 && byte !== 0x2c && byte !== 0x7d && byte !== 0x5d && byte !== 0x3a;
}

/** Short and without anything that has to be decoded: as nearly all names and most values are. */
function isPlain(json: Buffer, { start, end }: Token): boolean {
  if (end - start > PLAIN_BYTES_MAX) return false;
  for (let at = start + 1; at < end - 1; at++) {
    const byte = json[at] ?? 0;
    if (byte >= 0x80 || byte === 0x5c) return false;
  }
  return true;
}

function endOfString(json: Buffer, start: number): number {
  for (let at = start + 1; ; at++) {
    const byte = json[at];
    if (byte === 0x22 || byte === undefined) return at + 1;
    if (byte === 0x5c) at++;
  }
}

/** Half of a pair of surrogates, in the words for it: what follows it, where its other half should be. */
function loneSurrogate(raw: string): string {
  const match = /\\u[dD][89abAB][0-9a-fA-F]{2}/.exec(raw) ?? /\\u[dD][c-fC-F][0-9a-fA-F]{2}/.exec(raw);
  return `invalid escape code ${JSON.stringify(match?.[0] ?? '')} in string`;
}

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};
const NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** No integer of 64 bits has more. */
const DIGITS_MAX = 20;

/** `1.0` and `1e3` are integers, `1.5` is none. */
function parseInteger(kind: string, text: string): bigint | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', decimals = '', exponentText = '0'] = match;
  const fraction = decimals.replace(/0+$/, '');
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > DIGITS_MAX + text.length) return Number(whole) === 0 && fraction === '' ? 0n : undefined;
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '');
  const shift = exponent - fraction.length;
  const kept = shift < 0 ? digits.slice(0, shift) : digits + '0'.repeat(Math.min(shift, DIGITS_MAX));
  if (shift < 0 && /[1-9]/.test(digits.slice(shift))) return undefined;
  if (kept.length > 2 * DIGITS_MAX) return undefined;
  const value = BigInt(`${sign === '' || kept === '' ? '' : sign}${kept === '' ? '0' : kept}`);
  const [low, high] = RANGES[kind] ?? [0n, 0n];
  return value >= low && value <= high ? value : undefined;
}

/** Either alphabet; padding may be left out altogether. Line breaks between are allowed. */
function fromBase64(text: string): Uint8Array | undefined {
  const isUrl = text.includes('-') || text.includes('_');
  const isPadded = text.length % 4 === 0;
  const data = text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]/g, '') : text;
  const body = isPadded ? data.replace(/={1,2}$/, '') : data;
  const isValid = isUrl ? /^[A-Za-z0-9_-]*$/.test(body) : /^[A-Za-z0-9+/]*$/.test(body);
  if (!isValid || body.length % 4 === 1 || (isPadded && data.length % 4 !== 0)) return undefined;
  return Buffer.from(body, isUrl ? 'base64url' : 'base64');
}
