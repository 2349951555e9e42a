/** docs/flags.md, from the option table. */
import { variableOf } from './environment.ts';
import { FEATURE_GATES } from './feature-gates.ts';
import type { OptionGroup, OptionSpec, Support } from './option-spec.ts';
import { OPTION_GROUPS } from './options.ts';

const STATUS: Readonly<Record<Support, string>> = {
  supported: 'yes',
  noEffect: 'no effect',
  unsupported: 'not yet',
  removed: 'removed',
};

const INTRODUCTION = `# Flags

Generated from the option table (src/config/options.ts) by scripts/gen-flags-doc.ts; do not edit.

quorate takes etcd's flags under etcd's names, with etcd's defaults and rules. The few that etcd does not have are under
[quorate's own](#quorates-own).

- \`--name=value\`, \`--name value\` or \`-name value\`; a boolean also bare. Given twice, the last one wins. Anything that is no
  flag is an error.
- Each flag has a variable, \`${variableOf('data-dir')}\` for \`--data-dir\`. A flag and its variable both set is an error, even
  if they say the same. Unknown \`ETCD_\` variables are warned about.
- \`--config-file\` (or \`${variableOf('config-file')}\`) names a YAML or JSON file; all other flags and variables are then ignored.
  Its keys are the flags' names, or those in the column *file* (a dot: inside that object). There, durations are whole
  nanoseconds, lists are lists, and unknown keys are warned about and do nothing.
- Durations on the command line are written as in Go: \`300ms\`, \`1h30m\`, \`2.5s\`. Whole numbers may be written with 0x, 0o, 0b
  and underscores.

The column *here*: **yes** does what etcd does. **no effect** is accepted, and another value than the default is logged once as
without effect. **not yet**: another value than the default ends the start with one line that names the flag; **removed**: likewise, for
what etcd 3.6 has no more.
`;

export function flagsDoc(): string {
  return [INTRODUCTION, ...OPTION_GROUPS.map(groupDoc), gatesDoc()].join('\n');
}

function groupDoc({ title, options }: OptionGroup): string {
  const rows = options.map((spec) =>
    row([`\`${spec.name}\``, shown(spec.default), STATUS[spec.support], fileKey(spec), help(spec)]),
  );
  return [
    `## ${title}\n`,
    row(['flag', 'default', 'here', 'file', 'meaning']),
    row(Array(5).fill('---')),
    ...rows,
    '',
  ].join('\n');
}

function gatesDoc(): string {
  const rows = Object.entries(FEATURE_GATES).map(([name, gate]) =>
    row([`\`${name}\``, String(gate.default), gate.stage, STATUS[gate.support]]),
  );
  return ['## Feature gates\n', row(['gate', 'default', 'stage', 'here']), row(Array(4).fill('---')), ...rows, ''].join(
    '\n',
  );
}

function fileKey({ name, fileKey = name }: OptionSpec): string {
  if (fileKey === name) return '';
  return fileKey === null ? 'none' : `\`${fileKey.replaceAll('/', '.')}\``;
}

function help(spec: OptionSpec): string {
  if (spec.former === undefined) return spec.help;
  return `${spec.help} Formerly ${spec.former.map((name) => `\`${name}\``).join(', ')}.`;
}

function shown(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
