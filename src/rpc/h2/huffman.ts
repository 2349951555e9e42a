/**
 * HPACK's Huffman code (RFC 7541, appendix B), decoded four bits at a time by a state machine whose states are the inner nodes
 * of the code's tree. No code is shorter than five bits, so four bits complete at most one symbol.
 */

import { assert, must } from '../../base/assert.ts';

/** Length in bits of the code of each byte. The code is canonical: lengths say it all. */
const BITS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26,
] as const;
const END_OF_STRING = 256;
const END_OF_STRING_BITS = 30;
/** Padding is at most seven bits, all ones. */
const PADDING_BITS_MAX = 7;

const NO_SYMBOL = -1;
const FAILS = 0xffff;

/** Indexed by state * 16 + next four bits. */
interface Machine {
  /** The state after, or FAILS. */
  readonly next: Uint16Array;
  /** The byte completed on the way, or NO_SYMBOL. */
  readonly symbol: Int16Array;
  /** By state: whether the input may end there. */
  readonly mayEnd: Uint8Array;
}

/** A tree in arrays: child[node * 2 + bit] is an inner node, or -1 - symbol for a leaf. */
function buildTree(): number[] {
  const symbols = [...BITS.keys(), END_OF_STRING];
  const bitsOf = (symbol: number): number => BITS[symbol] ?? END_OF_STRING_BITS;
  symbols.sort((a, b) => bitsOf(a) - bitsOf(b) || a - b);
  const child: number[] = [0, 0];
  let code = 0;
  let bits = 0;
  for (const symbol of symbols) {
    code *= 2 ** (bitsOf(symbol) - bits);
    bits = bitsOf(symbol);
    let node = 0;
    for (let i = bits - 1; i > 0; i--) {
      const at = node * 2 + (Math.floor(code / 2 ** i) & 1);
      if (child[at] === 0) {
        child[at] = child.length / 2;
        child.push(0, 0);
      }
      node = must(child[at], 'node');
    }
    child[node * 2 + (code & 1)] = -1 - symbol;
    code++;
  }
  assert(code === 2 ** END_OF_STRING_BITS, 'the Huffman code is not complete', { code });
  return child;
}

function buildMachine(): Machine {
  const child = buildTree();
  const states = child.length / 2;
  const machine: Machine = {
    next: new Uint16Array(states * 16),
    symbol: new Int16Array(states * 16).fill(NO_SYMBOL),
    mayEnd: new Uint8Array(states),
  };
  for (let state = 0; state < states; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      const at = state * 16 + nibble;
      let node = state;
      for (let bit = 3; bit >= 0 && node !== FAILS; bit--) {
        const to = must(child[node * 2 + ((nibble >> bit) & 1)], 'child');
        if (to >= 0) node = to;
        else if (to === -1 - END_OF_STRING) node = FAILS;
        else {
          machine.symbol[at] = -1 - to;
          node = 0;
        }
      }
      machine.next[at] = node;
    }
  }
  let node = 0;
  for (let depth = 0; depth <= PADDING_BITS_MAX; depth++) {
    machine.mayEnd[node] = 1;
    node = must(child[node * 2 + 1], 'child');
  }
  return machine;
}

const { next, symbol, mayEnd } = buildMachine();

/** The most bytes that `encodedBytes` of Huffman code can stand for. */
export function huffmanDecodedMax(encodedBytes: number): number {
  return Math.ceil((encodedBytes * 8) / 5);
}

/** Decodes buf[start, end) into `out` and returns the number of bytes, or -1 when it is no Huffman code. */
export function huffmanDecode(buf: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = buf[i] as number;
    let at = state * 16 + (byte >> 4);
    state = next[at] as number;
    if (state === FAILS) return -1;
    let decoded = symbol[at] as number;
    if (decoded !== NO_SYMBOL) out[length++] = decoded;
    at = state * 16 + (byte & 15);
    state = next[at] as number;
    if (state === FAILS) return -1;
    decoded = symbol[at] as number;
    if (decoded !== NO_SYMBOL) out[length++] = decoded;
  }
  return mayEnd[state] === 1 ? length : -1;
}
