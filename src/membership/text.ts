import { must } from '../base/assert.ts';
import { utf8Decode } from '../base/utf8.ts';

/** Text that this cluster wrote itself: it is UTF-8, or the database is damaged. */
export function decodeText(bytes: Uint8Array): string {
  return must(utf8Decode(bytes), 'text in the database is not UTF-8');
}
