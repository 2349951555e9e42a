import { setTimeout as sleep } from 'node:timers/promises';
import type { Member } from '../cluster.ts';
import { CLEAR, CLIENTS, type LinkCondition } from '../network/network.ts';
import { type Environment, type Fault, minority, named, others, type Scene, victim } from './fault.ts';

function needs(...conditions: (keyof LinkCondition)[]): (environment: Environment) => string | undefined {
  return ({ network }) => {
    const absent = conditions.filter((condition) => !network.conditions.has(condition));
    return absent.length === 0 ? undefined : `links by ${network.kind} cannot do ${absent.join(', ')}`;
  };
}

/** Bytes wait, as when TCP sends them again later; or are lost, and the connection breaks in the end. */
function blocking({ random }: Scene): LinkCondition {
  return { blocked: random.below(2) === 0 ? 'hold' : 'drop' };
}

async function during(scene: Scene, from: readonly Member[], to: readonly Member[], how: LinkCondition): Promise<void> {
  scene.cluster.link(from, to, how);
  await sleep(scene.forMs);
  scene.cluster.link(from, to, CLEAR);
}

export const isolate: Fault = {
  name: 'isolate',
  takesMembers: false,
  async make(scene) {
    const member = await victim(scene);
    const rest = others(scene.cluster, member);
    const how = blocking(scene);
    scene.note(`${member.name} | ${named(rest)} (${how.blocked})`);
    scene.cluster.link([member], rest, how);
    await during(scene, rest, [member], how);
    scene.cluster.link([member], rest, CLEAR);
  },
};

export const partition: Fault = {
  name: 'partition',
  takesMembers: false,
  async make(scene) {
    const few = minority(scene);
    const most = others(scene.cluster, ...few);
    const how = blocking(scene);
    scene.note(`${named(few)} | ${named(most)} (${how.blocked})`);
    scene.cluster.link(few, most, how);
    await during(scene, most, few, how);
    scene.cluster.link(few, most, CLEAR);
  },
};

/** A member that is heard and does not hear, or hears and is not heard. */
export const oneWay: Fault = {
  name: 'one-way',
  takesMembers: false,
  async make(scene) {
    const member = await victim(scene);
    const rest = others(scene.cluster, member);
    const isDeaf = scene.random.below(2) === 0;
    const how = blocking(scene);
    scene.note(isDeaf ? `${named(rest)} -/-> ${member.name}` : `${member.name} -/-> ${named(rest)} (${how.blocked})`);
    if (isDeaf) await during(scene, rest, [member], how);
    else await during(scene, [member], rest, how);
  },
};

/** Two that do not reach each other, while others reach both. */
export const brokenPair: Fault = {
  name: 'broken-pair',
  takesMembers: false,
  async make(scene) {
    const one = await victim(scene);
    const rest = others(scene.cluster, one);
    const other = rest[scene.random.below(rest.length)] as Member;
    const how = blocking(scene);
    scene.note(`${one.name} | ${other.name} (${how.blocked})`);
    scene.cluster.link([one], [other], how);
    await during(scene, [other], [one], how);
    scene.cluster.link([one], [other], CLEAR);
  },
};

export const delay: Fault = {
  name: 'delay',
  takesMembers: false,
  missing: needs('delayMs', 'jitterMs'),
  async make(scene) {
    const { members } = scene.cluster;
    const delayMs = 20 + scene.random.below(180);
    scene.note(`every link ${delayMs} to ${2 * delayMs} ms slower`);
    await during(scene, members, members, { delayMs, jitterMs: delayMs });
  },
};

export const loss: Fault = {
  name: 'loss',
  takesMembers: false,
  missing: needs('lossChance'),
  async make(scene) {
    const { members } = scene.cluster;
    const lossChance = 0.01 + scene.random.fraction() * 0.1;
    scene.note(`every link loses ${(lossChance * 100).toFixed(0)} % of all pieces`);
    await during(scene, members, members, { lossChance });
  },
};

export const slow: Fault = {
  name: 'slow',
  takesMembers: false,
  missing: needs('bytesPerSecond'),
  async make(scene) {
    const member = await victim(scene);
    const bytesPerSecond = 4000 + scene.random.below(60_000);
    scene.note(`${member.name} sends ${bytesPerSecond} bytes/s to each`);
    await during(scene, [member], others(scene.cluster, member), { bytesPerSecond });
  },
};

export const cuts: Fault = {
  name: 'cuts',
  takesMembers: false,
  missing: ({ network }) => (network.kind === 'proxy' ? undefined : 'connections are reset by proxies only'),
  async make({ cluster, random, forMs, note }) {
    note('connections are reset again and again');
    const untilMs = performance.now() + forMs;
    while (performance.now() < untilMs) {
      const names = [CLIENTS, ...cluster.members.map(({ name }) => name)];
      const one = names[random.below(names.length)] as string;
      cluster.network.cut(one, names[random.below(names.length)] as string);
      await sleep(random.below(120));
    }
  },
};

/** A member whose clients ask and get no answers. */
export const muteToClients: Fault = {
  name: 'mute-to-clients',
  takesMembers: false,
  async make(scene) {
    const member = await victim(scene);
    const how = blocking(scene);
    scene.note(`${member.name} -/-> clients (${how.blocked})`);
    scene.cluster.network.set(member.name, CLIENTS, how);
    await sleep(scene.forMs);
    scene.cluster.network.set(member.name, CLIENTS, CLEAR);
  },
};
