/** Something made from files, and made again when they change: certificates are renewed while a server runs. */
import { readFileSync, statSync } from 'node:fs';
import type { NamedFile } from '../../ports/tls-settings.ts';

/** A file that cannot be used. The message is the one line the operator gets: it names the option and the file. */
export class FileProblem extends Error {
  override readonly name = 'FileProblem';

  constructor(file: NamedFile, cause: unknown) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*[\r\n]+\s*/g, ' ');
    super(`invalid value ${JSON.stringify(file.path)} for flag ${file.flag}: ${reason}`, { cause });
  }
}

export interface FileBackedOptions<T> {
  readonly files: readonly NamedFile[];
  /** Gets the contents in the order of `files`. Throws FileProblem. */
  readonly make: (contents: readonly Buffer[]) => T;
  readonly onReload: () => void;
  /** Called once per problem, when the files have changed and cannot be used any more. */
  readonly onProblem: (problem: FileProblem) => void;
}

export class FileBacked<T> {
  readonly #options: FileBackedOptions<T>;
  /** The state of the files that #value was made from. */
  #fingerprint: string;
  #value: T;
  #problem: FileProblem | undefined;

  /** Throws FileProblem if the files cannot be used. */
  constructor(options: FileBackedOptions<T>) {
    this.#options = options;
    // Taken before the files are read: a change in between shows in the next comparison.
    this.#fingerprint = fingerprintOf(options.files);
    this.#value = read(options);
  }

  /** From the files as they are, or as they last were usable. The same object as before unless they have changed. */
  get lastGood(): T {
    this.#refresh();
    return this.#value;
  }

  /** From the files as they are. Throws FileProblem if they cannot be used now. */
  get latest(): T {
    this.#refresh();
    if (this.#problem !== undefined) throw this.#problem;
    return this.#value;
  }

  #refresh(): void {
    const fingerprint = fingerprintOf(this.#options.files);
    if (fingerprint === this.#fingerprint) {
      this.#problem = undefined;
      return;
    }
    try {
      this.#value = read(this.#options);
      this.#fingerprint = fingerprint;
      this.#problem = undefined;
      this.#options.onReload();
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      const isNew = this.#problem?.message !== error.message;
      this.#problem = error;
      if (isNew) this.#options.onProblem(error);
    }
  }
}

function read<T>({ files, make }: FileBackedOptions<T>): T {
  return make(
    files.map((file) => {
      try {
        return readFileSync(file.path);
      } catch (error) {
        throw new FileProblem(file, error);
      }
    }),
  );
}

/** Renaming, rewriting, and turning a link elsewhere all change it. */
function fingerprintOf(files: readonly NamedFile[]): string {
  return files.map(stateOf).join(' ');
}

function stateOf({ path }: NamedFile): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch {
    // Reading it says why.
    return 'unreadable';
  }
}
