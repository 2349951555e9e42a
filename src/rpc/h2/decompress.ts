/** Messages that the client compressed; gzip is what etcd knows. */

import { gunzip } from 'node:zlib';
import { Queue } from '../../base/queue.ts';
import { Code, EtcdError } from '../../base/etcd-error.ts';

const GZIP_HEADER_BYTES = 10;

/** Calls back once, later, with the message or with the status that ends the call. */
export function decompress(
  bytes: Buffer,
  encoding: string | undefined,
  bytesMax: number,
  done: (result: Buffer | EtcdError) => void,
): void {
  if (encoding !== 'gzip') {
    const error = encodingError(encoding);
    process.nextTick(() => done(error));
    return;
  }
  waiting.push({ bytes, bytesMax, done });
  next();
}

interface Waiting {
  readonly bytes: Buffer;
  readonly bytesMax: number;
  readonly done: (result: Buffer | EtcdError) => void;
}

/** The threads that decompress are those that sync the log: most of them are left to it. Each stream waits for one at most. */
const RUNNING_MAX = 1;
const waiting = new Queue<Waiting>();
let running = 0;

function next(): void {
  if (running >= RUNNING_MAX) return;
  const first = waiting.shift();
  if (first === undefined) return;
  running++;
  inflate(first, (result) => {
    running--;
    first.done(result);
    next();
  });
}

/** In few steps: each of them waits for a thread. */
const STEP_BYTES = 256 * 1024;

function inflate({ bytes, bytesMax }: Waiting, done: (result: Buffer | EtcdError) => void): void {
  gunzip(bytes, { maxOutputLength: Math.max(1, bytesMax), chunkSize: STEP_BYTES }, (error, message) => {
    if (error === null) done(message);
    else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      done(
        new EtcdError(Code.ResourceExhausted, `grpc: received message after decompression larger than max ${bytesMax}`),
      );
    } else done(new EtcdError(Code.Internal, `grpc: failed to decompress the message: ${reasonOf(error, bytes)}`));
  });
}

/** As etcd's gRPC library says it, where it has a word for it. */
function reasonOf({ message }: Error, bytes: Buffer): string {
  if (message === 'unexpected end of file' || bytes.length < GZIP_HEADER_BYTES) return 'unexpected EOF';
  return message === 'incorrect header check' ? 'gzip: invalid header' : message;
}

function encodingError(encoding: string | undefined): EtcdError {
  if (encoding === undefined || encoding === 'identity') {
    return new EtcdError(Code.Internal, 'grpc: compressed flag set with identity or empty encoding');
  }
  return new EtcdError(Code.Unimplemented, `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`);
}
