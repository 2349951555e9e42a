/** The options that one source sets; the table's defaults for all others. */
import { must } from '../base/assert.ts';
import { invalidValue } from './config-error.ts';
import { valueFromText, ValueProblem } from './option-value.ts';
import { type AnyOptionValue, findOption, type OptionName, type OptionValue, specOf } from './options.ts';

/** A value as someone set it. */
export interface Setting {
  /** The name it was set under: a former one perhaps. */
  readonly alias: string;
  readonly value: AnyOptionValue;
  /** As it was written, for messages. */
  readonly text: string;
}

export class OptionValues {
  readonly #settings = new Map<OptionName, Setting>();

  /** Both names of an option set: the former one wins, whichever came first, as in etcd. */
  set(setting: Setting): void {
    const { name, current } = must(findOption(setting.alias), `option ${setting.alias}`);
    const previous = this.#settings.get(name);
    if (current && previous !== undefined && previous.alias !== name) return;
    this.#settings.set(name, setting);
  }

  isSet(name: OptionName): boolean {
    return this.#settings.has(name);
  }

  get<N extends OptionName>(name: N): OptionValue<N> {
    // The table's types and valueFromText() agree; option-value.test.ts holds them to it.
    return (this.#settings.get(name)?.value ?? defaultOf(name)) as OptionValue<N>;
  }

  /** As set, or as the table has it. */
  text(name: OptionName): string {
    return this.#settings.get(name)?.text ?? specOf(name).default;
  }

  settings(): IterableIterator<[OptionName, Setting]> {
    return this.#settings.entries();
  }
}

export function defaultOf(name: OptionName): AnyOptionValue {
  return valueFromText(specOf(name), specOf(name).default);
}

/** Reads `text` as the value of the option `alias`; `source` says in an error where it stood. Throws ConfigError. */
export function parseSetting(alias: string, text: string, source: string, exitCode = 1): Setting {
  const { spec } = must(findOption(alias), `option ${alias}`);
  try {
    return { alias, value: valueFromText(spec, text), text };
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw invalidValue(source, text, error.message, exitCode);
  }
}
