/** HPACK's static table (RFC 7541, appendix A) and the dynamic one. */

import { HEADER_TABLE_BYTES } from './protocol.ts';

/** Names and values by turns, from index 1. */
const STATIC = (
  ':authority||:method|GET|:method|POST|:path|/|:path|/index.html|:scheme|http|:scheme|https|:status|200|:status|204|' +
  ':status|206|:status|304|:status|400|:status|404|:status|500|accept-charset||accept-encoding|gzip, deflate|' +
  'accept-language||accept-ranges||accept||access-control-allow-origin||age||allow||authorization||cache-control||' +
  'content-disposition||content-encoding||content-language||content-length||content-location||content-range||' +
  'content-type||cookie||date||etag||expect||expires||from||host||if-match||if-modified-since||if-none-match||' +
  'if-range||if-unmodified-since||last-modified||link||location||max-forwards||proxy-authenticate||' +
  'proxy-authorization||range||referer||refresh||retry-after||server||set-cookie||strict-transport-security||' +
  'transfer-encoding||user-agent||vary||via||www-authenticate|'
).split('|');

export const STATIC_ENTRIES = 61;
export const STATIC_NAMES: readonly string[] = ['', ...STATIC.filter((_, i) => i % 2 === 0)];
export const STATIC_VALUES: readonly string[] = ['', ...STATIC.filter((_, i) => i % 2 === 1)];

/** What the RFC adds to each entry's length. */
export const ENTRY_OVERHEAD_BYTES = 32;
const ENTRIES_MAX = HEADER_TABLE_BYTES / ENTRY_OVERHEAD_BYTES;

/** Newest first, in a ring that holds as many entries as fit into the largest size. */
export class DynamicTable {
  readonly #names: string[] = Array.from({ length: ENTRIES_MAX }, () => '');
  readonly #values: string[] = Array.from({ length: ENTRIES_MAX }, () => '');
  /** Where the newest is. */
  #head = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = HEADER_TABLE_BYTES;
  /** Changes with every change of the table. */
  version = 0;

  get count(): number {
    return this.#count;
  }

  /** `index` from 0, the newest. */
  nameAt(index: number): string {
    return this.#names[(this.#head + index) & (ENTRIES_MAX - 1)] as string;
  }

  valueAt(index: number): string {
    return this.#values[(this.#head + index) & (ENTRIES_MAX - 1)] as string;
  }

  add(name: string, value: string): void {
    this.version++;
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evictTo(this.#bytesMax - bytes);
    if (bytes > this.#bytesMax) return;
    this.#head = (this.#head - 1) & (ENTRIES_MAX - 1);
    this.#names[this.#head] = name;
    this.#values[this.#head] = value;
    this.#count++;
    this.#bytes += bytes;
  }

  /** `bytes` up to HEADER_TABLE_BYTES. */
  resize(bytes: number): void {
    this.version++;
    this.#bytesMax = bytes;
    this.#evictTo(bytes);
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const at = (this.#head + this.#count - 1) & (ENTRIES_MAX - 1);
      this.#bytes -= (this.#names[at] as string).length + (this.#values[at] as string).length + ENTRY_OVERHEAD_BYTES;
      this.#names[at] = '';
      this.#values[at] = '';
      this.#count--;
    }
  }
}
