/** What stands within the payload of frames. */
import { ConnectionError, ErrorCode, protocolError } from './protocol.ts';

export function frameSizeError(what: string, bytes: number): ConnectionError {
  return new ConnectionError(ErrorCode.FrameSizeError, `${what} of ${bytes} bytes`);
}

/** The padding at the end of a padded frame, whose first byte is its length. */
export function paddingOf(buf: Buffer, start: number, end: number): number {
  if (start === end) throw frameSizeError('a padded frame', 0);
  const padding = buf[start] as number;
  if (padding >= end - start) throw protocolError('padding longer than its frame');
  return padding;
}

/** The stream that a stream says to depend on. */
export function dependencyAt(buf: Buffer, at: number): number {
  return buf.readUInt32BE(at) & 0x7fff_ffff;
}
