import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart } from './chart.ts';
import { markdown } from './markdown.ts';
import type { Results } from './results.ts';

/** Writes <date>.json (with the number of members after the date, where there are several), .md and .svg, without replacing others; returns the path without the ending. */
export function writeResults(dir: string, results: Results): string {
  mkdirSync(dir, { recursive: true });
  const prefix = results.size === 'smoke' ? 'smoke-' : '';
  const members = results.members > 1 ? `-members-${results.members}` : '';
  const day = join(dir, `${prefix}${results.date.slice(0, 10)}${members}`);
  let path = day;
  for (let i = 2; existsSync(`${path}.json`); i++) path = `${day}-${i}`;
  writeFileSync(`${path}.json`, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(`${path}.md`, markdown(results));
  if (results.rows.some(({ ratio }) => ratio !== undefined)) writeFileSync(`${path}.svg`, chart(results));
  return path;
}
