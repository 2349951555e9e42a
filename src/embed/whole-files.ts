/** Small things to do with whole files. */
import type { FileSystem } from '../ports/file-system.ts';

const CHUNK_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

export function readWhole(files: FileSystem, path: string): Uint8Array {
  const file = files.open(path, 'read');
  try {
    const bytes = new Uint8Array(file.size());
    return bytes.subarray(0, file.read(bytes, 0));
  } finally {
    file.close();
  }
}

/** The file has these bytes, durably, or does not change. */
export function writeWhole(files: FileSystem, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`;
  removeIfThere(files, temporary);
  const file = files.open(temporary, 'create');
  try {
    file.writeDurable(bytes, 0);
  } finally {
    file.close();
  }
  files.rename(temporary, path);
  files.syncDir(path.slice(0, path.lastIndexOf('/')));
}

/** The bytes are on disk when it returns, the name is when its directory is synced. Zeros take no room. */
export function copySparse(files: FileSystem, from: string, to: string): void {
  removeIfThere(files, to);
  const source = files.open(from, 'read');
  try {
    const target = files.open(to, 'create');
    try {
      const size = source.size();
      target.truncate(size);
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size));
      for (let at = 0; at < size; at += CHUNK_BYTES) {
        const chunk = buffer.subarray(0, source.read(buffer, at));
        if (!ZEROS.subarray(0, chunk.length).equals(chunk)) target.write(chunk, at);
      }
      target.sync();
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

export function removeIfThere(files: FileSystem, path: string): void {
  if (files.exists(path)) files.remove(path);
}
