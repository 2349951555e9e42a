/** `snapshot save`: the snapshot of a running server, quorate or etcd, in a file that has its name only when it is whole. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Client, credentials, Metadata, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { decodeAuthenticateResponse, decodeSnapshotResponse, encodeAuthenticateRequest } from '../../gen/rpc.ts';
import { NodeFileSystem } from '../../platform/node-file-system.ts';
import type { File } from '../../ports/file-system.ts';
import { GatheringFile } from '../../storage/bbolt/gathering-file.ts';
import { startProgress } from '../progress.ts';

export interface SaveOptions {
  readonly file: string;
  /** `host:port`, or a URL. */
  readonly endpoint: string;
  /** Paths of PEM files; empty: none. */
  readonly cacert: string;
  readonly cert: string;
  readonly key: string;
  /** Empty: nobody. */
  readonly user: string;
  readonly password: string;
  readonly skipVerify: boolean;
  readonly dialTimeoutMs: number;
}

const SHA256_BYTES = 32;
const PART = '.part';

/** Rejects with an Error of one line, and leaves no file. */
export async function saveSnapshot(options: SaveOptions): Promise<void> {
  const { file: path, dialTimeoutMs } = options;
  const { host, isSecure } = parseEndpoint(options.endpoint);
  const client = new Client(host, credentialsOf(options, isSecure), { 'grpc.max_receive_message_length': -1 });
  const files = new NodeFileSystem();
  const part = `${path}${PART}`;
  try {
    await connected(client, dialTimeoutMs, options.endpoint);
    const metadata = await login(client, options);
    if (existsSync(part)) rmSync(part);
    const file = files.open(part, 'create');
    try {
      await receive(client, metadata, file);
      file.sync();
    } finally {
      file.close();
    }
    renameSync(part, path);
    files.syncDir(dirname(path));
  } catch (error) {
    rmSync(part, { force: true });
    throw new Error(isServiceError(error) ? error.details : (error as Error).message, { cause: error });
  } finally {
    client.close();
  }
}

function parseEndpoint(endpoint: string): { host: string; isSecure: boolean } {
  const [, scheme = '', host = endpoint] = /^(https?):\/\/([^/]*)\/?$/.exec(endpoint) ?? [];
  return { host, isSecure: scheme === 'https' };
}

function credentialsOf({ cacert, cert, key, skipVerify }: SaveOptions, isSecure: boolean): ChannelCredentials {
  const read = (path: string): Buffer | null => (path === '' ? null : readFileSync(path));
  if (!isSecure && [cacert, cert, key].every((path) => path === '')) return credentials.createInsecure();
  return credentials.createSsl(read(cacert), read(key), read(cert), { rejectUnauthorized: !skipVerify });
}

function connected(client: Client, timeoutMs: number, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(new Error(`${endpoint}: cannot connect within ${timeoutMs / 1000} s`));
    });
  });
}

/** What every later call says of who asks. */
function login(client: Client, { user, password }: SaveOptions): Promise<Metadata> {
  const metadata = new Metadata();
  if (user === '') return Promise.resolve(metadata);
  const request = { name: user, password };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/etcdserverpb.Auth/Authenticate',
      (message: typeof request) => Buffer.from(encodeAuthenticateRequest(message)),
      decodeAuthenticateResponse,
      request,
      (error, response) => {
        if (error !== null) return reject(error);
        metadata.set('token', response?.token ?? '');
        resolve(metadata);
      },
    );
  });
}

/** The database and, behind it, its checksum: all of it goes into the file, and has to agree. */
async function receive(client: Client, metadata: Metadata, file: File): Promise<void> {
  const stream = client.makeServerStreamRequest(
    '/etcdserverpb.Maintenance/Snapshot',
    () => Buffer.alloc(0),
    decodeSnapshotResponse,
    undefined,
    metadata,
  );
  const progress = await startProgress('Saving');
  const target = new GatheringFile(file);
  const hash = createHash('sha256');
  let position = 0;
  let total: number | undefined;
  /** The end of what came in, which may be the checksum. */
  let held = Buffer.alloc(0);
  try {
    for await (const { blob, remainingBytes } of stream as AsyncIterable<ReturnType<typeof decodeSnapshotResponse>>) {
      target.write(blob, position);
      position += blob.length;
      total ??= position + remainingBytes;
      progress.update(position / total);
      const seen = Buffer.concat([held, blob]);
      held = seen.subarray(Math.max(0, seen.length - SHA256_BYTES));
      hash.update(seen.subarray(0, seen.length - held.length));
    }
  } finally {
    progress.stop();
  }
  target.flush();
  if (held.length < SHA256_BYTES || !hash.digest().equals(held)) {
    throw new Error('the snapshot that the server sent does not match its checksum');
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'details' in error;
}
