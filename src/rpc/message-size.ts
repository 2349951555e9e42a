/**
 * Limits on how much a request can make of few bytes: a field of two bytes becomes an object of a hundred. Looked at before a
 * message is decoded, and without decoding it.
 */
import { etcdError } from '../base/etcd-error.ts';
import { WireError, WireReader } from '../base/wire.ts';

/** Messages up to this size cannot hold so many fields that it matters. */
const SMALL_BYTES = 16 * 1024;
/** Far more than any request has. */
const FIELDS_MAX = 20_000;
/** Operations of a txn with all that are nested in it, as a multiple of what one list of them may have. */
const NESTED_OPS_FACTOR = 32;

/** Throws WireError for a message with more fields than any request has, as for any that is malformed. */
export function checkFields(message: Uint8Array): void {
  if (message.length <= SMALL_BYTES) return;
  const reader = new WireReader(message);
  for (let fields = 0; reader.more(); fields++) {
    if (fields > FIELDS_MAX) throw new WireError(`more than ${FIELDS_MAX} fields`);
    reader.skip(reader.tag());
  }
}

/** Tags of TxnRequest: compare, success, failure. */
const COMPARE = 0x0a;
const SUCCESS = 0x12;
const FAILURE = 0x1a;
/** Tag of RequestOp.request_txn. */
const NESTED_TXN = 0x22;

/**
 * Throws TooManyOps when a list of the encoded TxnRequest, or of one nested in it, is longer than `opsMax`, or all together are
 * so long as no client makes them; WireError when it is malformed.
 */
export function checkTxnSize(txn: Uint8Array, opsMax: number): void {
  if (txn.length <= 2 * opsMax) return;
  new TxnScan(txn, opsMax).txn();
}

class TxnScan {
  readonly #reader: WireReader;
  readonly #opsMax: number;
  #left: number;

  constructor(bytes: Uint8Array, opsMax: number) {
    this.#reader = new WireReader(bytes);
    this.#opsMax = opsMax;
    this.#left = NESTED_OPS_FACTOR * opsMax;
  }

  txn(): void {
    const reader = this.#reader;
    const counts = { [COMPARE]: 0, [SUCCESS]: 0, [FAILURE]: 0 };
    while (reader.more()) {
      const tag = reader.tag();
      this.#take();
      if (tag !== COMPARE && tag !== SUCCESS && tag !== FAILURE) {
        reader.skip(tag);
        continue;
      }
      if (++counts[tag] > this.#opsMax) throw etcdError('TooManyOps');
      if (tag === COMPARE) reader.skip(tag);
      else this.#op();
    }
  }

  #op(): void {
    const reader = this.#reader;
    const mark = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      this.#take();
      if (tag !== NESTED_TXN) {
        reader.skip(tag);
        continue;
      }
      const inner = reader.enter();
      this.txn();
      reader.leave(inner);
    }
    reader.leave(mark);
  }

  #take(): void {
    if (--this.#left < 0) throw etcdError('TooManyOps');
  }
}
