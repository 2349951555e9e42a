/** Put at the leader, and linearizable range of one key through a follower, by h2load. */
import type { BenchCase } from '../case.ts';
import type { Cluster } from '../servers/cluster.ts';
import type { Server } from '../servers/server.ts';
import { measureUnary, type Operation, type Shape, unaryName, unaryTitle } from './unary.ts';

const SHAPES: readonly Shape[] = [
  { connections: 1, streams: 1 },
  { connections: 10, streams: 50 },
];

export const clusterUnaryCases: readonly BenchCase[] = [
  ...SHAPES.map((shape) => clusterCase('put', 'leader', shape)),
  ...SHAPES.map((shape) => clusterCase('put', 'follower', shape)),
  ...SHAPES.map((shape) => clusterCase('range', 'follower', shape)),
];

function clusterCase(operation: Operation, role: 'leader' | 'follower', shape: Shape): BenchCase {
  return {
    name: `${unaryName(operation, shape)}-${role}`,
    title: `${unaryTitle(operation, shape)}, all through ${role === 'leader' ? 'the leader' : 'one follower'}`,
    run: async (context) => {
      const cluster = await context.startCluster();
      const { port } = role === 'leader' ? await cluster.leader() : await follower(cluster);
      return measureUnary(context, { port, cpuSeconds: () => cluster.cpuSeconds() }, operation, shape);
    },
  };
}

async function follower(cluster: Cluster): Promise<Server> {
  const [first] = await cluster.followers();
  if (first === undefined) throw new Error('no follower');
  return first;
}
