/**
 * The serial numbers of a certificate revocation list (RFC 5280 §5.1). As in etcd, its signature, issuer and dates play no
 * part: the file is the operator's own, and every serial number in it is refused whoever issued the certificate.
 */

/** Why bytes are no such list. */
export class RevocationListError extends Error {
  override readonly name = 'RevocationListError';
}

const Tag = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  SEQUENCE: 0x30,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  EXTENSIONS: 0xa0,
};

const PEM_BLOCK = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;

/** Serial numbers as serialKey() writes them. `file`: one list in DER, or any number of them in PEM. */
export function parseRevocationLists(file: Uint8Array): Set<string> {
  const serials = new Set<string>();
  // DER begins with the tag of a sequence, which is the digit 0: no PEM file does.
  if (file[0] === Tag.SEQUENCE) {
    readList(file, serials);
    return serials;
  }
  const blocks = [...Buffer.from(file).toString('latin1').matchAll(PEM_BLOCK)];
  if (blocks.length === 0) throw new RevocationListError('it holds no X509 CRL');
  for (const [, base64 = ''] of blocks) readList(Buffer.from(base64, 'base64'), serials);
  return serials;
}

/** One spelling for each serial number: `hex` may have zeros in front and either case. */
export function serialKey(hex: string): string {
  return hex.toLowerCase().replace(/^-?0*(?=.)/, '');
}

function readList(der: Uint8Array, serials: Set<string>): void {
  const file = new DerReader(der, 0, der.length);
  const list = file.enter(Tag.SEQUENCE);
  file.end();
  const signed = list.enter(Tag.SEQUENCE);
  list.skip(Tag.SEQUENCE);
  list.skip(Tag.BIT_STRING);
  list.end();
  if (signed.tag === Tag.INTEGER) signed.skip(Tag.INTEGER);
  signed.skip(Tag.SEQUENCE);
  signed.skip(Tag.SEQUENCE);
  skipTime(signed);
  if (signed.tag === Tag.UTC_TIME || signed.tag === Tag.GENERALIZED_TIME) skipTime(signed);
  if (signed.tag === Tag.SEQUENCE) readRevoked(signed.enter(Tag.SEQUENCE), serials);
  if (signed.tag === Tag.EXTENSIONS) signed.skip(Tag.EXTENSIONS);
  signed.end();
}

function readRevoked(revoked: DerReader, serials: Set<string>): void {
  while (revoked.tag !== undefined) {
    const entry = revoked.enter(Tag.SEQUENCE);
    serials.add(serialOf(entry.take(Tag.INTEGER)));
    skipTime(entry);
    if (entry.tag === Tag.SEQUENCE) entry.skip(Tag.SEQUENCE);
    entry.end();
  }
}

/** Of a negative number, which RFC 5280 forbids and some issue, the amount. */
function serialOf(integer: Uint8Array): string {
  const hex = Buffer.from(integer).toString('hex');
  const isNegative = ((integer[0] ?? 0) & 0x80) !== 0;
  if (!isNegative) return serialKey(hex);
  return ((1n << BigInt(8 * integer.length)) - BigInt(`0x${hex}`)).toString(16);
}

function skipTime(reader: DerReader): void {
  reader.skip(reader.tag === Tag.GENERALIZED_TIME ? Tag.GENERALIZED_TIME : Tag.UTC_TIME);
}

/** Reads the elements of one DER value, one after the other. */
class DerReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Of the next element; undefined: there is none. */
  get tag(): number | undefined {
    return this.#at < this.#end ? this.#bytes[this.#at] : undefined;
  }

  /** Into the next element. */
  enter(tag: number): DerReader {
    const [start, end] = this.#next(tag);
    return new DerReader(this.#bytes, start, end);
  }

  /** The bytes of the next element; not none. */
  take(tag: number): Uint8Array {
    const [start, end] = this.#next(tag);
    if (start === end) throw new RevocationListError('an empty number');
    return this.#bytes.subarray(start, end);
  }

  skip(tag: number): void {
    this.#next(tag);
  }

  /** Throws if something is left. */
  end(): void {
    if (this.#at !== this.#end) throw new RevocationListError(`something unknown at byte ${this.#at}`);
  }

  #next(tag: number): [start: number, end: number] {
    if (this.tag !== tag) {
      throw new RevocationListError(`at byte ${this.#at}, ${this.tag ?? 'the end'} instead of tag ${tag}`);
    }
    this.#at++;
    const length = this.#length();
    const start = this.#at;
    if (length > this.#end - start) throw new RevocationListError(`it is cut off: ${length} bytes from ${start} on`);
    this.#at = start + length;
    return [start, this.#at];
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new RevocationListError(`a length of ${count} bytes`);
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    return length;
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new RevocationListError('it is cut off');
    return this.#bytes[this.#at++] ?? 0;
  }
}
