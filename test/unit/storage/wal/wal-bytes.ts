/** WAL bytes put together from the generated codecs, one step at a time: slow, and plain to see. */
import { concatBytes } from '../../../../src/base/bytes.ts';
import { crc32c } from '../../../../src/base/crc32c.ts';
import { encodeMetadata } from '../../../../src/gen/etcdserver.ts';
import { encodeEntry, encodeHardState, type EntryInit } from '../../../../src/gen/raftpb.ts';
import { encodeRecord, encodeSnapshot } from '../../../../src/gen/walpb.ts';
import { RecordType } from '../../../../src/storage/wal/format.ts';

export class WalBytes {
  crc: number;
  readonly #parts: Uint8Array[] = [];

  constructor(crc = 0) {
    this.crc = crc;
  }

  get bytes(): Uint8Array {
    return concatBytes(...this.#parts);
  }

  /** Offsets at which records begin, and the end. */
  readonly offsets: number[] = [0];

  record(type: number, data: Uint8Array): this {
    this.crc = crc32c(this.crc, data);
    const record = encodeRecord({ type, crc: this.crc, data });
    const padding = (8 - (record.length % 8)) % 8;
    const frame = new Uint8Array(8);
    const view = new DataView(frame.buffer);
    view.setUint32(0, record.length, true);
    if (padding !== 0) view.setUint8(7, 0x80 | padding);
    this.#parts.push(frame, record, new Uint8Array(padding));
    this.offsets.push((this.offsets.at(-1) as number) + frame.length + record.length + padding);
    return this;
  }

  head(): this {
    return this.record(RecordType.crc, new Uint8Array(0)).record(RecordType.metadata, METADATA);
  }

  entry(entry: EntryInit): this {
    return this.record(RecordType.entry, encodeEntry(entry));
  }

  entries(from: number, to: number, term: number, dataBytes = 10): this {
    for (let index = from; index <= to; index++)
      this.entry({ term, index, data: new Uint8Array(dataBytes).fill(index) });
    return this;
  }

  state(term: number, commit: number): this {
    return this.record(RecordType.state, encodeHardState({ term, vote: 1n, commit }));
  }

  mark(index: number, term: number): this {
    return this.record(RecordType.snapshot, encodeSnapshot({ index, term }));
  }
}

export const METADATA: Uint8Array = encodeMetadata({ nodeID: 7n, clusterID: 9n });
