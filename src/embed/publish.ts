/** Tells the cluster what this member is called and where clients reach it: from then on it counts as started. */
import { EtcdError, etcdError } from '../base/etcd-error.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { ServerCore } from '../server/core.ts';

const RETRY_MS = 100;

/** Resolves once it is in the log, however often it takes: a leader or a disk that is slow just now is no reason to give up. */
export async function publish(core: ServerCore, config: ServerConfig): Promise<void> {
  const { clock, logger } = core.parts;
  for (;;) {
    try {
      return await publishOnce(core, config);
    } catch (error) {
      if (!(error instanceof EtcdError) || error.message === etcdError('Stopped').message) throw error;
      logger.warn('failed to publish this member, will try again', { error: error.message });
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
    }
  }
}

async function publishOnce(core: ServerCore, { name, advertiseClientUrls }: ServerConfig): Promise<void> {
  // What is known before may be old.
  await core.linearizable();
  const { cluster, memberId } = core.parts;
  const clientUrls = advertiseClientUrls.map(({ text }) => text);
  const self = cluster.member(memberId);
  if (self?.name === name && self.clientURLs.join() === clientUrls.join()) return;
  const request = { memberID: memberId, memberAttributes: { name, clientUrls } };
  await core.proposeInternal({ clusterMemberAttrSet: request }, { kind: 'memberAttrSet', request });
}
