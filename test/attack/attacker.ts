/** The process that attacks. Started with the name of the attack, how long it takes in ms, and its target as JSON; prints its tally. */
import { attackNamed } from './all.ts';
import { Tally, type AttackTarget } from './attack.ts';

const [name = '', durationText = '', targetText = '{}'] = process.argv.slice(2);
const target = JSON.parse(targetText) as AttackTarget;
const tally = new Tally();
const durationMs = Number(durationText);
let untilMs = Infinity;
const { promise: over, resolve: end } = Promise.withResolvers<void>();
// What an attack needs it may make first, however long that takes.
const begin = (): void => {
  if (untilMs !== Infinity) return;
  untilMs = performance.now() + durationMs;
  setTimeout(end, durationMs);
};
await attackNamed(name).run({ target, tally, begin, over, isOver: () => performance.now() >= untilMs });
process.stdout.write(`${JSON.stringify(tally.counts)}\n`, () => process.exit(0));
