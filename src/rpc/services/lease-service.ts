/** etcdserverpb.Lease. */
import {
  decodeLeaseGrantRequest,
  decodeLeaseKeepAliveRequest,
  decodeLeaseRevokeRequest,
  decodeLeaseTimeToLiveRequest,
  encodeLeaseGrantResponse,
  encodeLeaseKeepAliveResponse,
  encodeLeaseLeasesResponse,
  encodeLeaseRevokeResponse,
  encodeLeaseTimeToLiveResponse,
} from '../../gen/rpc.ts';
import { LeaseService } from '../../gen/services.ts';
import type { ServerCore } from '../../server/core.ts';
import type { LeaseApi } from '../../server/lease-api.ts';

import type { ServiceRegistry } from '../service-registry.ts';
import type { StreamCall } from '../transport.ts';
import { statusOf } from '../status.ts';

/** Answers that a client has not taken; beyond, its requests are not read. */
const KEEP_ALIVE_BACKLOG_BYTES = 64 * 1024;

/** `onBadMessage`: told of a keep-alive stream that ends because a message of the client cannot be read. */
export function registerLease(
  registry: ServiceRegistry,
  core: ServerCore,
  leases: LeaseApi,
  onBadMessage: () => void = () => {},
): void {
  const { LeaseGrant, LeaseRevoke, LeaseKeepAlive, LeaseTimeToLive, LeaseLeases } = LeaseService.methods;
  registry.unary(LeaseGrant.path, async (ctx, bytes) => {
    const response = await leases.grant(ctx, decodeLeaseGrantRequest(bytes));
    return encodeLeaseGrantResponse(core.withHeader(response));
  });
  registry.unary(LeaseRevoke.path, async (ctx, bytes) => {
    const response = await leases.revoke(ctx, decodeLeaseRevokeRequest(bytes));
    return encodeLeaseRevokeResponse(core.withHeader(response));
  });
  registry.unary(LeaseTimeToLive.path, async (ctx, bytes) =>
    encodeLeaseTimeToLiveResponse(await leases.timeToLive(ctx, decodeLeaseTimeToLiveRequest(bytes))),
  );
  registry.unary(LeaseLeases.path, async (ctx) => encodeLeaseLeasesResponse(await leases.leases(ctx)));
  registry.bidi(LeaseKeepAlive.path, (call) => serveKeepAlive(call, leases, onBadMessage));
}

/** Answers in the order of the requests: one that waits for an expired lease holds back those behind it, as in etcd. */
function serveKeepAlive(call: StreamCall, leases: LeaseApi, onBadMessage: () => void): void {
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  let halfClosed = false;
  const endWhenIdle = (): void => {
    if (halfClosed && waiting === 0) call.end();
  };
  const answer = async (ID: bigint): Promise<void> => {
    call.send(encodeLeaseKeepAliveResponse(await leases.keepAlive(call.ctx, ID)));
  };
  const read = (bytes: Uint8Array): bigint => {
    try {
      return decodeLeaseKeepAliveRequest(bytes).ID;
    } catch (error) {
      onBadMessage();
      throw error;
    }
  };
  call.onMessage((bytes) => {
    const ID = read(bytes);
    waiting++;
    if (waiting > 1 || call.backlogBytes > KEEP_ALIVE_BACKLOG_BYTES) call.pauseReading();
    last = last
      .then(() => answer(ID))
      .catch((error: unknown) => call.fail(statusOf(error)))
      .finally(() => {
        waiting--;
        if (waiting === 0 && call.backlogBytes <= KEEP_ALIVE_BACKLOG_BYTES) call.resumeReading();
        endWhenIdle();
      });
  });
  call.onDrain(() => {
    if (waiting === 0) call.resumeReading();
  });
  call.onHalfClose(() => {
    halfClosed = true;
    endWhenIdle();
  });
}
