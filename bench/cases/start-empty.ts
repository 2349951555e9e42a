import type { BenchCase } from '../case.ts';
import { median } from '../statistics.ts';

export const startEmptyCase: BenchCase = {
  name: 'start-empty',
  title: 'start with an empty data directory, until a linearizable range is answered',
  run: async (context) => {
    const healthyMs: number[] = [];
    for (let i = 0; i < context.sizes.startups; i++) {
      const server = await context.start({ dataDir: `empty-${i}` });
      healthyMs.push(server.healthyMs);
      await server.stop();
    }
    return [{ name: 'until healthy', unit: 'ms', better: 'less', value: median(healthyMs), headline: true }];
  },
};
