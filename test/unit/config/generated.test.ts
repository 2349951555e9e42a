/**
 * Values of every kind for every option that etcd knows, in variables and in configuration files: what etcd takes is taken, what it
 * refuses is refused. A few of them, drawn from a seed; all with CONFIG_CASES=all (six minutes).
 */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { variableOf } from '../../../src/config/environment.ts';
import { fileKeyOf } from '../../../src/config/config-file.ts';
import { type NamedOption, optionNames } from '../../../src/config/options.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import { FILE, parse } from './run.ts';
import { etcdFlags, runEtcd } from './run-etcd.ts';

const HAS_ETCD = etcdBinDir() !== undefined;
if (!HAS_ETCD) console.warn(`skipped: generated values for etcd's options: ${NO_ETCD}`);

const SEED = 1;
const ALL = process.env['CONFIG_CASES'] === 'all';

/** Whoever gets as far as this has taken everything else: heartbeats may be a fifth of the election timeout at most. */
const HEARTBEAT_MS = 300;
const TAKEN_BY_ETCD = 'should be at least as 5 times';
const TAKEN_HERE = `--heartbeat-interval=${HEARTBEAT_MS}`;

/** They decide how far etcd gets, and what it prints where. */
const LEFT_OUT = new Set(['heartbeat-interval', 'election-timeout', 'config-file', 'version', 'help', 'log-outputs']);
/** In a file etcd takes any text and looks at it too late to be seen here. */
const STRICTER = new Set(['v2-deprecation']);

const TEXTS = values(
  '5|-1|+1|1|012|0x10|0o7|1_000|1.5|18446744073709551616|true|true |yes|on|text|a,b| |*|5s',
  'http://127.0.0.1:1|http://127.0.0.1:1,http://127.0.0.1:2',
);
const LITERALS = values(
  '5|"5"|-1|+1|1|"1"|0x10|0X1f|0x|+0x1|0o7|0O7|-0o7|012|08|0b11|0B1|1_000|1_|_1|-0|4294967296|!!int "5"|!!str 5|&a 5',
  '1.5|1.0|.5|5.|+.5|09.5|1e3|1e|1e-1|1e999|!!float 5|!!float 5.5',
  '18446744073709551615|18446744073709551616|9223372036854775808|-9223372036854775809',
  'true|"true"|yes|on|"on"|NO|y|~|\'\'|text|"a,b"|[]|[a]|[1]|[true]|{}|{a: b}|2001-01-01|190:20:30|5s',
  'http://127.0.0.1:1|"http://127.0.0.1:1,http://127.0.0.1:2"',
);

function values(...lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split('|'));
}

interface Case {
  readonly what: string;
  readonly argv: readonly string[];
  readonly env: Record<string, string>;
  readonly file?: string;
}

function variableCase(name: string, text: string): Case {
  const variable = variableOf(name);
  return { what: `${variable}=${text}`, argv: [TAKEN_HERE], env: { [variable]: text } };
}

function fileCase(key: string, literal: string): Case {
  const parts = key.split('/');
  const lines = parts.map((part, depth) => `${'  '.repeat(depth)}${part}:`);
  const file = `${lines.join('\n')} ${literal}\nheartbeat-interval: ${HEARTBEAT_MS}\n`;
  return { what: `${key}: ${literal}`, argv: [`--config-file=${FILE}`], env: {}, file };
}

/** What etcd and quorate make of it, if they do not agree. */
async function difference(one: Case): Promise<string | undefined> {
  const { out, err } = await runEtcd(one.argv, one.env, one.file);
  const theirs = out + err;
  const result = parse([...one.argv], one.env, one.file);
  const ours = result.kind === 'error' ? result.line : result.kind;
  if (theirs.includes(TAKEN_BY_ETCD) === ours.includes(TAKEN_HERE)) return undefined;
  return `${one.what}\n  etcd:    ${theirs.slice(-300)}\n  quorate: ${ours}`;
}

describe.skipIf(!HAS_ETCD)('values for every option', () => {
  const random = new SeededRandom(SEED);

  async function options(): Promise<[string, NamedOption][]> {
    const known = new Set(await etcdFlags());
    return Array.from(optionNames()).filter(([name]) => known.has(name) && !LEFT_OUT.has(name));
  }

  function drawn(from: readonly string[]): readonly string[] {
    return ALL ? from : [from[random.below(from.length)] ?? ''];
  }

  async function expectNone(cases: readonly Case[]): Promise<void> {
    const differences: string[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < cases.length) {
        const found = await difference(cases[next++] as Case);
        if (found !== undefined) differences.push(found);
      }
    };
    await Promise.all([work(), work(), work()]);
    expect(cases.length).toBeGreaterThan(80);
    expect(differences).toEqual([]);
  }

  test('in variables', { timeout: ALL ? 900_000 : 60_000 }, async () => {
    const names = (await options()).map(([name]) => name);
    await expectNone(names.flatMap((name) => drawn(TEXTS).map((text) => variableCase(name, text))));
  });

  test('in a configuration file', { timeout: ALL ? 900_000 : 60_000 }, async () => {
    const keys = (await options()).flatMap(([name, option]) => fileKeyOf(name, option) ?? []);
    await expectNone(
      keys
        .filter((key) => !STRICTER.has(key))
        .flatMap((key) => drawn(LITERALS).map((literal) => fileCase(key, literal))),
    );
  });
});
