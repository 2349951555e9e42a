/** Makes go wrong what the plan says, when it says. */
import type { Fault } from '../plan.ts';
import type { SimClient } from '../workload/sim-client.ts';
import type { SimNode } from './sim-node.ts';
import type { SimWorld } from './sim-world.ts';

export function scheduleFaults(world: SimWorld, clients: readonly SimClient[]): void {
  for (const fault of world.plan.faults) {
    const node = world.nodes[(fault.node ?? 0) % world.nodes.length] as SimNode;
    world.scheduler.at(fault.atMs, `fault ${fault.kind}`, () => inflict(world, node, clients, fault));
  }
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
    default:
      breakDisk(world, node, fault);
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
  for (const { disk, database, machine } of world.nodes) {
    disk.repair();
    database.failsNext = false;
    disk.files.faults.powerLossAtStep = undefined;
    disk.syncMs = syncMs;
    database.timing.commitMs = commitMs;
    machine.lookCostMs = lookCostMs;
  }
  for (const { watches } of clients) watches.setReading(true);
  const stuckUntilMs = Math.max(
    ...world.nodes.flatMap(({ disk, machine }) => [disk.stuckUntilMs, machine.busyUntilMs]),
  );
  await world.sleep(Math.max(0, stuckUntilMs - world.nowMs), 'stuck');
}
