import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Replaces a text by another one of the same length wherever it stands in the database of a server that does not run, as a
 * broken disk would. Neither etcd's nor our database file has checksums of its pages.
 */
export async function alterDatabase(dataDir: string, text: string, other: string): Promise<void> {
  if (text.length !== other.length) throw new Error('the texts differ in length');
  const dir = join(dataDir, 'member', 'snap');
  let found = 0;
  for (const name of (await readdir(dir)).filter((file) => file === 'db' || file === 'quorate.mdb')) {
    const bytes = await readFile(join(dir, name));
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
      bytes.write(other, at, 'latin1');
      found++;
    }
    await writeFile(join(dir, name), bytes);
  }
  if (found === 0) throw new Error(`${text} is not in the database below ${dir}`);
}
