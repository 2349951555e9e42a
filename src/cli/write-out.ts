/** What a subcommand found, in the formats of etcd's tools (--write-out). */

export const WRITE_OUT = ['fields', 'json', 'protobuf', 'simple', 'table'] as const;
export type WriteOut = (typeof WRITE_OUT)[number];

/** One thing that was found out, under the names that each format has for it. */
export interface Fact {
  readonly json: string;
  readonly field: string;
  readonly column: string;
  readonly value: number;
  /** For people, where that is not the number. */
  readonly text?: string;
}

/** The text, without the line end. */
export async function writeOut(facts: readonly Fact[], format: WriteOut): Promise<string> {
  const texts = facts.map(({ value, text }) => text ?? String(value));
  switch (format) {
    case 'simple':
      return texts.join(', ');
    case 'json':
      return JSON.stringify(Object.fromEntries(facts.map(({ json, value }) => [json, value])));
    case 'fields':
      return facts.map(({ field, value }) => `"${field}" : ${value}`).join('\n');
    case 'table':
      return table(
        facts.map(({ column }) => column.toUpperCase()),
        texts,
      );
    case 'protobuf':
      throw new Error('protobuf not supported as output format');
  }
}

async function table(head: readonly string[], row: readonly string[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const made = new Table({ style: { head: [], border: [] } });
  made.push(
    head.map((content) => ({ content, hAlign: 'center' as const })),
    row.map((content) => ({ content, hAlign: 'right' as const })),
  );
  return made.toString();
}
