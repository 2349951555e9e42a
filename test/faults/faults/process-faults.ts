import { setTimeout as sleep } from 'node:timers/promises';
import { disarm } from '../aftermath.ts';
import { smallVolumesMissing } from '../machine/small-volume.ts';
import { type Fault, minority, named, victim } from './fault.ts';

/** A member that was told to stop has to be gone by then. */
const STOP_MS = 15_000;

export const kill: Fault = {
  name: 'kill',
  takesMembers: true,
  async make(scene) {
    const member = await victim(scene);
    scene.note(`kill -9 ${member.name}`);
    await scene.cluster.kill(member);
    await sleep(scene.forMs);
    await scene.cluster.restart(member);
  },
};

export const killMinority: Fault = {
  name: 'kill-minority',
  takesMembers: true,
  async make(scene) {
    const members = minority(scene);
    scene.note(`kill -9 ${named(members)}`);
    await Promise.all(members.map((member) => scene.cluster.kill(member)));
    await sleep(scene.forMs);
    await Promise.all(members.map((member) => scene.cluster.restart(member)));
  },
};

export const killAll: Fault = {
  name: 'kill-all',
  takesMembers: true,
  async make({ cluster, note, random }) {
    note('kill -9 of all');
    const members = [...cluster.members];
    await Promise.all(members.map((member) => cluster.kill(member)));
    await Promise.all(
      members.map(async (member) => {
        await sleep(random.below(500));
        await cluster.restart(member);
      }),
    );
  },
};

export const pause: Fault = {
  name: 'pause',
  takesMembers: true,
  async make(scene) {
    const member = await victim(scene);
    scene.note(`SIGSTOP ${member.name}`);
    scene.cluster.pause(member);
    await sleep(scene.forMs);
    scene.cluster.resume(member);
  },
};

/** The leader goes again and again, and comes back before the next one goes. */
export const leaderChurn: Fault = {
  name: 'leader-churn',
  takesMembers: true,
  lasts: 2,
  async make({ cluster, note, forMs }) {
    const untilMs = performance.now() + forMs;
    do {
      const leader = await cluster.leader();
      note(`kill -9 ${leader.name}, which leads`);
      await cluster.kill(leader);
      await sleep(cluster.options.electionMs);
      await cluster.restart(leader);
    } while (performance.now() < untilMs);
  },
};

export const handOver: Fault = {
  name: 'hand-over',
  takesMembers: false,
  async make({ cluster, note, forMs, random }) {
    const untilMs = performance.now() + forMs;
    do {
      const leader = await cluster.probablyLeader();
      const candidates = cluster.running.filter((member) => member !== leader && !member.paused);
      const next = candidates[random.below(Math.max(1, candidates.length))];
      if (leader !== undefined && next !== undefined) {
        note(`${leader.name} hands over to ${next.name}`);
        await leader.client.moveLeader(next.id, { timeoutMs: 3000 }).catch((error: unknown) => note(String(error)));
      }
      await sleep(300 + random.below(700));
    } while (performance.now() < untilMs);
  },
};

/** Told to stop one after the other, the next when the one before is back. */
export const rollingRestart: Fault = {
  name: 'rolling-restart',
  takesMembers: true,
  async make({ cluster, note }) {
    for (const member of cluster.members) {
      note(`SIGTERM ${member.name}`);
      member.server?.signal('SIGTERM');
      const stopped = await Promise.race([member.server?.exited().then(() => true), sleep(STOP_MS, false)]);
      if (stopped === false) throw new Error(`${member.name} has not ended ${STOP_MS} ms after SIGTERM`);
      await cluster.restart(member);
      await cluster.leader();
    }
  },
};

export const diskFull: Fault = {
  name: 'disk-full',
  takesMembers: true,
  missing: () => smallVolumesMissing(),
  async make({ cluster, note, forMs }) {
    const member = cluster.members.find(({ volume }) => volume !== undefined);
    // It may have been replaced by one with another disk.
    if (member?.volume === undefined) return;
    note(`no room on the disk of ${member.name}`);
    member.volume.fill();
    await sleep(forMs);
    const survived = member.running;
    note(survived ? `${member.name} went on` : `${member.name} ended itself`);
    member.volume.release();
    if (!survived) await cluster.restart(member);
    // Whoever made room says so; links that are cut at the same time may keep it from being heard, until there is peace.
    await disarm(cluster, 2000).catch(() => note('an alarm stays'));
  },
};

const HOUR_MS = 3_600_000;
const STEPS_MS = [-24 * HOUR_MS, -HOUR_MS, -3000, 3000, HOUR_MS, 24 * HOUR_MS];

export const clockStep: Fault = {
  name: 'clock-step',
  takesMembers: false,
  missing: ({ kind }) =>
    kind === 'quorate'
      ? undefined
      : "the wall clock of one process can be stepped only from inside it, and not of a Go program, which asks the kernel's vDSO",
  async make(scene) {
    const { cluster, random, note, forMs } = scene;
    for (let steps = 0; steps < 3; steps++) {
      const member = await victim(scene);
      const offsetMs = STEPS_MS[random.below(STEPS_MS.length)] as number;
      note(`the wall clock of ${member.name} jumps by ${offsetMs / 1000} s`);
      member.clock.set(offsetMs);
      await sleep(forMs / 3);
    }
    for (const { clock } of cluster.members) clock.reset();
  },
};
