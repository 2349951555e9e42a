/** Protobuf to JSON: fields in the order of declaration under their own names, zeros left out. */
import { WireReader } from '../../base/wire.ts';
import type { FieldSchema, MessageSchema } from './schema.ts';

/** How the text is set. */
export interface Style {
  readonly separator: string;
  readonly quote: (text: string) => string;
}

/** Where a long answer lets others have their turn. */
export interface Turns {
  isOver(): boolean;
  next(): Promise<void>;
}

/** What was read of each field, by its index. */
type Slots = (string[] | undefined)[];

export class ResponsePrinter {
  readonly #style: Style;

  constructor(style: Style) {
    this.#style = style;
  }

  print(schema: MessageSchema, bytes: Uint8Array): string {
    return this.#message(schema, new WireReader(bytes));
  }

  /** The same text in pieces, made bit by bit. */
  async printInTurns(schema: MessageSchema, bytes: Uint8Array, turns: Turns): Promise<string[]> {
    const reader = new WireReader(bytes);
    const slots: Slots = [];
    while (reader.more()) {
      this.#read(schema, reader, slots);
      if (turns.isOver()) await turns.next();
    }
    return this.#assemble(schema, slots);
  }

  #message(schema: MessageSchema, reader: WireReader): string {
    const slots: Slots = [];
    while (reader.more()) this.#read(schema, reader, slots);
    return this.#assemble(schema, slots).join('');
  }

  #read(schema: MessageSchema, reader: WireReader, slots: Slots): void {
    const tag = reader.tag();
    const field = schema.byNumber.get(tag >>> 3);
    const wireType = tag & 7;
    if (field === undefined || !isOfKind(field, wireType)) {
      reader.skip(tag);
    } else if (wireType === 2 && isVarint(field)) {
      const mark = reader.enterPacked();
      while (reader.more()) this.#keep(field, this.#value(field, reader), slots);
      reader.leavePacked(mark);
    } else {
      this.#keep(field, this.#value(field, reader), slots);
    }
  }

  #keep(field: FieldSchema, text: string, slots: Slots): void {
    if (field.repeated) (slots[field.index] ??= []).push(text);
    else slots[field.index] = field.oneof === undefined && text === ZEROS[field.kind] ? undefined : [text];
  }

  #value(field: FieldSchema, reader: WireReader): string {
    switch (field.kind) {
      case 'message': {
        const mark = reader.enter();
        const text = field.message === undefined ? '{}' : this.#message(field.message(), reader);
        reader.leave(mark);
        return text;
      }
      case 'bytes':
        return `"${base64(reader.bytes())}"`;
      case 'string':
        return this.#style.quote(reader.string());
      case 'bool':
        return String(reader.bool());
      case 'uint64':
        return `"${reader.uint64Big()}"`;
      case 'int64':
        return `"${reader.int64Big()}"`;
      case 'uint32':
        return String(reader.uint32());
      case 'enum':
        return nameOf(field, reader.int32());
      default:
        return String(reader.int32());
    }
  }

  #assemble(schema: MessageSchema, slots: Slots): string[] {
    const { separator } = this.#style;
    const pieces = ['{'];
    for (const { index, name, repeated } of schema.fields) {
      const texts = slots[index];
      if (texts === undefined) continue;
      pieces.push(`${pieces.length > 1 ? separator : ''}"${name}":${repeated ? '[' : ''}`);
      for (const [i, text] of texts.entries()) pieces.push(i > 0 ? separator + text : text);
      if (repeated) pieces.push(']');
    }
    pieces.push('}');
    return pieces;
  }
}

/** What the zero of each kind prints as. An enum's is recognised by its number. */
const ENUM_ZERO = '';
const ZEROS: Readonly<Record<string, string>> = {
  bytes: '""',
  string: '""',
  bool: 'false',
  int64: '"0"',
  uint64: '"0"',
  int32: '0',
  uint32: '0',
  enum: ENUM_ZERO,
};

function nameOf({ enumeration, repeated, oneof }: FieldSchema, number: number): string {
  if (number === 0 && !repeated && oneof === undefined) return ENUM_ZERO;
  const name = enumeration?.names.get(number);
  return name === undefined ? String(number) : `"${name}"`;
}

function isVarint({ kind }: FieldSchema): boolean {
  return kind !== 'message' && kind !== 'bytes' && kind !== 'string';
}

function isOfKind(field: FieldSchema, wireType: number): boolean {
  return isVarint(field) ? wireType === 0 || (wireType === 2 && field.repeated) : wireType === 2;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
