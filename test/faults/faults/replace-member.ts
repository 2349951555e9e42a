import { setTimeout as sleep } from 'node:timers/promises';
import { RpcError } from '../../support/raw-client.ts';
import type { FaultCluster, Member } from '../cluster.ts';
import { type Fault, others, victim } from './fault.ts';

const PATIENCE_MS = 30_000;

/** A member is lost with its disk: it is removed, and an empty one is added and joins. */
export const replaceMember: Fault = {
  name: 'replace-member',
  takesMembers: true,
  async make(scene) {
    const { cluster, note } = scene;
    const lost = await victim(scene);
    note(`${lost.name} is gone, with its disk`);
    await cluster.kill(lost);
    await sleep(cluster.options.electionMs);
    await ask(cluster, lost, (member) =>
      member.client.unary('etcdserverpb.Cluster', 'MemberRemove', { ID: lost.id }, { timeoutMs: 5000 }),
    );
    await cluster.drop(lost);
    const fresh = await cluster.prepare();
    const peerURLs = [fresh.address.peerUrl];
    await ask(cluster, lost, (member) =>
      member.client.unary('etcdserverpb.Cluster', 'MemberAdd', { peerURLs }, { timeoutMs: 5000 }),
    );
    cluster.members.push(fresh);
    note(`${fresh.name} joins`);
    await cluster.launch(fresh, 'existing');
  },
};

/** Asks one after the other until one has done it; that it was done already is as good. */
async function ask(cluster: FaultCluster, lost: Member, call: (member: Member) => Promise<unknown>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (let i = 0; ; i++) {
    const members = others(cluster, lost);
    try {
      await call(members[i % members.length] as Member);
      return;
    } catch (error) {
      if (!(error instanceof RpcError) || performance.now() > deadlineMs) throw error;
      if (/member not found|Peer URLs already exists/.test(error.message)) return;
      await sleep(100);
    }
  }
}
