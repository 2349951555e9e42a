/** Makes go wrong what the plan says, when it says. */
import type { Fault } from '../plan.ts';
import type { SimClient } from '../workload/sim-client.ts';
import type { SimNode } from './sim-node.ts';
import type { SimWorld } from './sim-world.ts';

export function scheduleFaults(world: SimWorld, clients: readonly SimClient[]): void {
  for (const fault of world.plan.faults) {
    world.scheduler.at(fault.atMs, `fault ${fault.kind}`, () => inflict(world, victimOf(world, fault), clients, fault));
  }
}

function victimOf(world: SimWorld, { node = 0 }: Fault): SimNode {
  const { nodes, marks } = world;
  const first = nodes[0] as SimNode;
  if (node !== 'leader') return nodes[node % nodes.length] ?? first;
  const leader = nodes.find(({ serving }) => serving?.member?.core.parts.node.isLeader === true);
  if (leader !== undefined && nodes.length > 1) marks.hit('leaderFault');
  return leader ?? first;
}

function inflict(world: SimWorld, node: SimNode, clients: readonly SimClient[], fault: Fault): void {
  const { process, disk, database, machine } = node;
  const { marks } = world;
  if (world.nowMs >= world.plan.knobs.horizonMs) return;
  const during = (forMs: number, end: () => void): void => {
    world.scheduler.after(forMs, `end of ${fault.kind}`, end);
  };
  world.line(`fault: ${JSON.stringify(fault)}`);
  switch (fault.kind) {
    case 'powerLoss':
    case 'kill':
      if (process === undefined) return;
      marks.hit(fault.kind);
      return node.crash(fault.kind === 'powerLoss', fault.downMs);
    case 'powerLossInWrite':
      node.powerLossDownMs = fault.downMs;
      disk.files.faults.powerLossAtStep = disk.files.steps + fault.steps;
      return;
    case 'powerLossInSnapshot':
      world.snapshotFaults.push(fault);
      return;
    case 'stop':
      if (node.serving !== undefined) marks.hit('stop');
      return node.stop(fault.downMs);
    case 'slowDisk':
      marks.hit('slowDisk');
      disk.syncMs = fault.syncMs;
      return during(fault.forMs, () => {
        disk.syncMs = world.plan.knobs.syncMs;
      });
    case 'stuckDisk':
      marks.hit('stuckDisk');
      disk.stuckUntilMs = Math.max(disk.stuckUntilMs, world.nowMs + fault.forMs);
      return;
    case 'slowCommit':
      marks.hit('slowCommit');
      database.timing.commitMs = fault.commitMs;
      return during(fault.forMs, () => {
        database.timing.commitMs = world.plan.knobs.commitMs;
      });
    case 'clockJump':
      marks.hit(fault.byMs > 0 ? 'clockForward' : 'clockBack');
      machine.wallOffsetMs += fault.byMs;
      return;
    case 'slowCpu':
      marks.hit('slowCpu');
      machine.lookCostMs = fault.costMs;
      return during(fault.forMs, () => {
        machine.lookCostMs = world.plan.knobs.lookCostMs;
      });
    case 'pause':
      marks.hit('pause');
      return machine.spend(fault.forMs);
    case 'slowWatcher':
      marks.hit('slowWatcher');
      for (const { watches } of clients) watches.setReading(false);
      return during(fault.forMs, () => {
        for (const { watches } of clients) watches.setReading(true);
      });
    case 'partition':
    case 'lossyLinks':
    case 'slowLinks':
      return breakLinks(world, node, fault);
    default:
      breakDisk(world, node, fault);
  }
}

type LinkFault = Extract<Fault, { kind: 'partition' | 'lossyLinks' | 'slowLinks' }>;

function breakLinks({ nodes, links, marks }: SimWorld, victim: SimNode, fault: LinkFault): void {
  if (nodes.length === 1) return;
  marks.hit(fault.kind === 'partition' && fault.oneWay ? 'oneWayPartition' : fault.kind);
  for (const [at, from] of nodes.entries()) {
    for (const [toAt, to] of nodes.entries()) {
      if (at === toAt) continue;
      if (fault.kind === 'partition') {
        const side = fault.side === 0 ? 1 << nodes.indexOf(victim) : fault.side;
        const [inSide, toSide] = [at, toAt].map((number) => ((side >> number) & 1) === 1);
        if (inSide !== toSide && !(fault.oneWay && inSide === true)) links.cut(from.name, to.name, fault.forMs);
      } else if (from === victim || to === victim) {
        if (fault.kind === 'lossyLinks') links.makeLossy(from.name, to.name, fault.forMs, fault.lossEvery);
        else links.makeSlow(from.name, to.name, fault.forMs, fault.delayMs);
      }
    }
  }
}

type DiskFault = Extract<Fault, { kind: 'syncError' | 'writeError' | 'createError' | 'commitError' }>;

function breakDisk(world: SimWorld, node: SimNode, fault: DiskFault): void {
  const { process, disk, database } = node;
  const { faults } = disk.files;
  world.marks.hit(fault.kind);
  if (process !== undefined) process.hadFault = true;
  switch (fault.kind) {
    case 'commitError':
      database.failsNext = process !== undefined;
      return;
    case 'syncError':
      faults.sync = 'EIO';
      break;
    case 'writeError':
      faults.write = { code: 'ENOSPC', afterBytes: fault.bytes };
      break;
    case 'createError':
      faults.create = 'ENOSPC';
      break;
  }
  world.scheduler.after(fault.forMs, `end of ${fault.kind}`, () => disk.repair());
}

/** Everything works again once it resolves. */
export async function heal(world: SimWorld, clients: readonly SimClient[]): Promise<void> {
  const { syncMs, commitMs, lookCostMs } = world.plan.knobs;
  for (const node of world.nodes) {
    const { disk, database, machine } = node;
    disk.repair();
    database.failsNext = false;
    node.powerLossAtStart = undefined;
    disk.files.faults.powerLossAtStep = undefined;
    disk.syncMs = syncMs;
    database.timing.commitMs = commitMs;
    machine.lookCostMs = lookCostMs;
  }
  world.snapshotFaults.length = 0;
  for (const { watches } of clients) watches.setReading(true);
  world.links.heal();
  const stuckUntilMs = Math.max(
    ...world.nodes.flatMap(({ disk, machine }) => [disk.stuckUntilMs, machine.busyUntilMs]),
  );
  await world.sleep(Math.max(0, stuckUntilMs - world.nowMs), 'stuck');
}
