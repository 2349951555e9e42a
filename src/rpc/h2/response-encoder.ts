/**
 * Header blocks of responses. There are few: the same headers, and the same trailers when all went well. Each of the two
 * repeating fields goes into the client's dynamic table once and is one byte from then on.
 */

import { HEADER_TABLE_BYTES } from './protocol.ts';
import type { Refusal } from './request-refusal.ts';

const STATUS_200 = 0x88;
/** Index of the name content-type in the static table. */
const CONTENT_TYPE_NAME = 31;
const STATUS_NAME = 8;
const STATIC_ENTRIES = 61;
const CONTENT_TYPE = 'application/grpc';
/** The two entries need about a hundred bytes; a client that offers less gets literals. */
const TABLE_BYTES_MIN = 256;
/** Keeps trailers within one frame. */
const MESSAGE_BYTES_MAX = 8 * 1024;

/** Where blocks are made: one for all, since each is copied into a frame before the next is begun. */
const BLOCK = Buffer.allocUnsafeSlow(MESSAGE_BYTES_MAX + 256);

export class ResponseEncoder {
  /** Entries added so far; an entry's index counts from the newest. */
  #added = 0;
  #contentTypeEntry = 0;
  #okEntry = 0;
  #usesTable = true;
  #announcedResize: number | undefined;
  #length = 0;

  /** The client's SETTINGS_HEADER_TABLE_SIZE. */
  setTableSize(bytes: number): void {
    if (bytes < TABLE_BYTES_MIN) {
      this.#usesTable = false;
      this.#contentTypeEntry = 0;
      this.#okEntry = 0;
      this.#announcedResize = 0;
    } else if (this.#usesTable && bytes < HEADER_TABLE_BYTES) {
      this.#announcedResize = bytes;
    }
  }

  /** The block that the last call made. */
  get block(): Buffer {
    return BLOCK;
  }

  /** Each method below makes a block and returns its length. A block that was made must be sent, and in this order. */
  headers(): number {
    this.#begin();
    this.#push(STATUS_200);
    this.#contentType();
    return this.#length;
  }

  okTrailers(): number {
    this.#begin();
    this.#ok();
    return this.#length;
  }

  trailers(code: number, message: string): number {
    this.#begin();
    this.#statusAndMessage(code, message);
    return this.#length;
  }

  /** Headers and trailers in one, for a response without messages. */
  trailersOnly(code: number, message: string): number {
    this.#begin();
    this.#push(STATUS_200);
    this.#contentType();
    if (code === 0) this.#ok();
    else this.#statusAndMessage(code, message);
    return this.#length;
  }

  /** As trailersOnly, with an HTTP status that may be another than 200. */
  refusal({ httpStatus, code, message }: Refusal): number {
    if (httpStatus === 200) return this.trailersOnly(code, message);
    this.#begin();
    this.#push(STATUS_NAME);
    this.#string(String(httpStatus));
    this.#contentType();
    this.#statusAndMessage(code, message);
    return this.#length;
  }

  #begin(): void {
    this.#length = 0;
    if (this.#announcedResize === undefined) return;
    this.#integer(0x20, 0x1f, this.#announcedResize);
    this.#announcedResize = undefined;
  }

  #contentType(): void {
    if (this.#contentTypeEntry > 0) {
      this.#indexed(this.#contentTypeEntry);
      return;
    }
    if (this.#usesTable) {
      this.#integer(0x40, 0x3f, CONTENT_TYPE_NAME);
      this.#contentTypeEntry = ++this.#added;
    } else {
      this.#integer(0x00, 0x0f, CONTENT_TYPE_NAME);
    }
    this.#string(CONTENT_TYPE);
  }

  #ok(): void {
    if (this.#okEntry > 0) {
      this.#indexed(this.#okEntry);
      return;
    }
    if (this.#usesTable) {
      this.#push(0x40);
      this.#okEntry = ++this.#added;
    } else {
      this.#push(0x00);
    }
    this.#string('grpc-status');
    this.#string('0');
  }

  #statusAndMessage(code: number, message: string): void {
    this.#push(0x00);
    this.#string('grpc-status');
    this.#string(String(code));
    if (message === '') return;
    this.#push(0x00);
    this.#string('grpc-message');
    this.#string(percentEncode(message));
  }

  #indexed(entry: number): void {
    this.#push(0x80 | (STATIC_ENTRIES + 1 + this.#added - entry));
  }

  #string(ascii: string): void {
    this.#integer(0x00, 0x7f, ascii.length);
    this.#length += BLOCK.write(ascii, this.#length, 'latin1');
  }

  #integer(pattern: number, mask: number, value: number): void {
    if (value < mask) {
      this.#push(pattern | value);
      return;
    }
    this.#push(pattern | mask);
    let rest = value - mask;
    for (; rest >= 0x80; rest >>>= 7) this.#push((rest & 0x7f) | 0x80);
    this.#push(rest);
  }

  #push(byte: number): void {
    BLOCK[this.#length++] = byte;
  }
}

/** grpc-message: printable ASCII without the percent sign stays, other bytes of the UTF-8 become %XX. */
export function percentEncode(text: string): string {
  if (!/[^ -$&-~]/.test(text) && text.length <= MESSAGE_BYTES_MAX) return text;
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    const isPlain = code >= 0x20 && code <= 0x7e && code !== 0x25;
    const piece = isPlain ? char : [...Buffer.from(char)].map(percentByte).join('');
    if (out.length + piece.length > MESSAGE_BYTES_MAX) break;
    out += piece;
  }
  return out;
}

function percentByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
