import { parseArgs } from 'node:util';
import { generate } from './generator.ts';
import { runPlan } from './run.ts';
import { Marks } from './world/marks.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});

if (values.seed !== undefined) {
  const result = await runPlan(generate(Number(values.seed)), { withText: values.trace });
  for (const line of result.trace) console.log(line);
  console.log(`trace ${result.traceHash}, ${result.events} events, ${(result.virtualMs / 1000).toFixed(1)} s`);
  if (result.violation) console.log(String(result.violation.message));
} else {
  const marks = new Marks();
  const began = Date.now();
  let events = 0, virtual = 0, bad = 0;
  for (let seed = Number(values.from); seed < Number(values.from) + Number(values.runs); seed++) {
    const result = await runPlan(generate(seed));
    marks.add(result.marks);
    events += result.events; virtual += result.virtualMs;
    if (result.violation) { bad++; console.log(`seed ${seed}: ${result.violation.message.slice(0, 600)}`); if (bad > 20) break; }
  }
  console.log(Object.fromEntries(marks.counts), marks.missing());
  console.log(`${((Date.now() - began) / Number(values.runs)).toFixed(1)} ms per run, ${events / Number(values.runs)} events per run, ${virtual / Number(values.runs) / 1000} s`);
}
