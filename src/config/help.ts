/** The text of --help, from the option table. */
import type { OptionSpec, Support } from './option-spec.ts';
import { OPTION_GROUPS } from './options.ts';

const WIDTH = 100;
const INDENT = '    ';
const REMARK: Readonly<Record<Support, string>> = {
  supported: '',
  noEffect: ' (accepted, without effect)',
  unsupported: ' (not supported yet)',
  removed: ' (no longer there)',
};
/** Not worth the room in --help; docs/flags.md has them. */
const HIDDEN_TITLES = new Set(['Ignored', 'Removed from etcd', 'Former switches of feature gates']);

const USAGE = `Usage:

  quorate [flags]
    Start the server.

  quorate --version
    Show the version.

  quorate snapshot save | status | restore
    Backups, as etcdutl and etcdctl make them (quorate snapshot --help).

  quorate hashkv
    The hash of a database file.

  quorate health
    Ask a server whether it is ready.

  quorate -h | --help
    Show this text.

Every flag can also be set by an environment variable: ETCD_ and its name in upper case, with _
for -. With a configuration file (--config-file, YAML or JSON), all other flags and variables are
ignored. docs/flags.md lists every flag, those of earlier releases too.
`;

export function helpText(): string {
  const groups = OPTION_GROUPS.filter(({ title }) => !HIDDEN_TITLES.has(title));
  return [USAGE, ...groups.map(({ title, options }) => `${title}:\n${options.map(optionHelp).join('')}`)]
    .join('\n')
    .trimEnd();
}

function optionHelp(spec: OptionSpec): string {
  const remark = REMARK[spec.support];
  return `  --${spec.name} '${spec.default}'${remark}\n${wrap(spec.help)}\n`;
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > WIDTH && line !== INDENT) {
      lines.push(line);
      line = INDENT;
    }
    line += line === INDENT ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}
