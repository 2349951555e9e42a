/** v3lockpb.Lock and v3electionpb.Election. */
import { Code, EtcdError, etcdError } from '../../base/etcd-error.ts';
import { ElectionService, LockService } from '../../gen/services.ts';
import {
  decodeCampaignRequest,
  decodeLeaderRequest,
  decodeProclaimRequest,
  decodeResignRequest,
  encodeCampaignResponse,
  encodeLeaderResponse,
  encodeProclaimResponse,
  encodeResignResponse,
} from '../../gen/v3electionpb.ts';
import {
  decodeLockRequest,
  decodeUnlockRequest,
  encodeLockResponse,
  encodeUnlockResponse,
} from '../../gen/v3lockpb.ts';
import type { ElectionApi } from '../../server/election-api.ts';
import type { LockApi } from '../../server/lock-api.ts';
import type { ServiceRegistry } from '../service-registry.ts';
import type { StreamCall, UnaryHandler } from '../transport.ts';
import { drained } from './drained.ts';

/** Changes of leader that an observer has not taken; beyond, it gets what is current when it does. */
const OBSERVER_BACKLOG_BYTES = 256 * 1024;

const STOPPED = etcdError('Stopped').message;

export function registerLock(registry: ServiceRegistry, locks: LockApi): void {
  const { Lock, Unlock } = LockService.methods;
  registry.unary(
    Lock.path,
    withoutCodes(async (ctx, bytes) => encodeLockResponse(await locks.lock(ctx, decodeLockRequest(bytes)))),
  );
  registry.unary(
    Unlock.path,
    withoutCodes(async (ctx, bytes) => encodeUnlockResponse(await locks.unlock(ctx, decodeUnlockRequest(bytes)))),
  );
}

export function registerElection(registry: ServiceRegistry, elections: ElectionApi): void {
  const { Campaign, Proclaim, Leader, Observe, Resign } = ElectionService.methods;
  registry.unary(
    Campaign.path,
    withoutCodes(async (ctx, bytes) =>
      encodeCampaignResponse(await elections.campaign(ctx, decodeCampaignRequest(bytes))),
    ),
  );
  registry.unary(
    Proclaim.path,
    withoutCodes(async (ctx, bytes) =>
      encodeProclaimResponse(await elections.proclaim(ctx, decodeProclaimRequest(bytes))),
    ),
  );
  registry.unary(
    Leader.path,
    withoutCodes(async (ctx, bytes) => encodeLeaderResponse(await elections.leader(ctx, decodeLeaderRequest(bytes)))),
  );
  registry.unary(
    Resign.path,
    withoutCodes(async (ctx, bytes) => encodeResignResponse(await elections.resign(ctx, decodeResignRequest(bytes)))),
  );
  registry.serverStream(Observe.path, (call, bytes) => observe(call, elections, bytes));
}

async function observe(call: StreamCall, elections: ElectionApi, bytes: Uint8Array): Promise<void> {
  const request = decodeLeaderRequest(bytes);
  try {
    for await (const response of elections.observe(call.ctx, request)) {
      if (call.ctx.cancelled) return;
      call.send(encodeLeaderResponse(response));
      if (call.backlogBytes > OBSERVER_BACKLOG_BYTES) await drained(call);
    }
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    // What it ends for is not told, neither by etcd.
    call.end();
  }
}

/** In etcd these services are clients of the others, and an error passes through with its text only. */
function withoutCodes(handler: UnaryHandler): UnaryHandler {
  return async (ctx, request) => {
    try {
      return await handler(ctx, request);
    } catch (error) {
      if (!(error instanceof EtcdError) || isEnd(error)) throw error;
      throw new EtcdError(Code.Unknown, error.message);
    }
  };
}

/** A call that is cut off, by its client or with the server, is told so: the client may try another member. */
function isEnd({ code, message }: EtcdError): boolean {
  return code === Code.Canceled || code === Code.DeadlineExceeded || message === STOPPED;
}
