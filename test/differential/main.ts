import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withBundle } from '../support/quorate-process.ts';
import type { ServerKind } from '../support/server-process.ts';
import type { Operation } from './operation.ts';
import { caseText, type Failure, generate, type Pair, replay, shrinkFailure } from './session.ts';

/**
 * Sends random operations to two servers at the same time and compares every answer, every watch event and HashKV.
 *
 *   node test/differential/main.ts --ops 100000 --seed 7              etcd and quorate
 *   node test/differential/main.ts --ops 20000 --second etcd          etcd and etcd: is the comparison itself sound?
 *   node test/differential/main.ts --replay case.json                 a case that was printed before
 */
const { values } = parseArgs({
  options: {
    ops: { type: 'string', default: process.env['OPS'] ?? '10000' },
    seed: { type: 'string', default: process.env['SEED'] ?? String(Date.now() % 1_000_000) },
    first: { type: 'string', default: 'etcd' },
    second: { type: 'string', default: 'quorate' },
    restarts: { type: 'boolean', default: false },
    replay: { type: 'string' },
    'shrink-seconds': { type: 'string', default: '180' },
  },
});

const pair: Pair = [values.first as ServerKind, values.second as ServerKind];
const count = Number(values.ops);
const seed = Number(values.seed);

process.exitCode = await withBundle(async () => {
  const failure = values.replay === undefined ? await generated() : await replayed(values.replay);
  if (failure) await report(failure);
  else console.log('no difference');
  return failure ? 1 : 0;
});

async function generated(): Promise<Failure | undefined> {
  console.log(`${pair.join(' and ')}: ${count} operations, seed ${seed}`);
  const began = Date.now();
  let told = began;
  return generate({
    pair,
    seed,
    count,
    restarts: values.restarts,
    onProgress: (done) => {
      if (Date.now() - told < 5_000 && done < count) return;
      told = Date.now();
      const seconds = (told - began) / 1000;
      console.log(`${done} of ${count} operations, ${seconds.toFixed(0)} s, ${(done / seconds).toFixed(0)} per second`);
    },
  });
}

async function replayed(file: string): Promise<Failure | undefined> {
  const { operations } = JSON.parse(await readFile(file, 'utf8')) as { operations: Operation[] };
  return replay(pair, operations);
}

async function report(found: Failure): Promise<void> {
  console.log(`difference after ${found.operations.length} operations: ${found.error.message}`);
  const seconds = Number(values['shrink-seconds']);
  if (seconds > 0) console.log(`shrinking for at most ${seconds} s`);
  const small = seconds > 0 ? await shrinkFailure(pair, found, seconds * 1000) : found;
  const text = caseText(`seed ${seed}`, small.operations);
  const file = join(tmpdir(), 'quorate-differential', `seed-${seed}.json`);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, text);
  console.log(
    `${small.operations.length} operations are left: ${small.error.message}\n${small.operations.length <= 60 ? text : ''}`,
  );
  console.log(`replay with: --first ${pair[0]} --second ${pair[1]} --replay ${file}`);
}
