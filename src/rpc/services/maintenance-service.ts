/** etcdserverpb.Maintenance. */
import {
  decodeAlarmRequest,
  decodeDowngradeRequest,
  decodeHashKVRequest,
  decodeMoveLeaderRequest,
  encodeAlarmResponse,
  encodeDefragmentResponse,
  encodeDowngradeResponse,
  encodeHashKVResponse,
  encodeHashResponse,
  encodeMoveLeaderResponse,
  encodeSnapshotResponse,
  encodeStatusResponse,
} from '../../gen/rpc.ts';
import { MaintenanceService } from '../../gen/services.ts';
import { etcdError } from '../../base/etcd-error.ts';
import { putFieldPrefix } from '../../base/wire.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ServerCore } from '../../server/core.ts';
import { downgrade } from '../../server/downgrade.ts';
import { moveLeader } from '../../server/leadership.ts';
import type { MaintenanceApi } from '../../server/maintenance-api.ts';
import type { SnapshotSource } from '../../server/snapshot-source.ts';
import type { ServiceRegistry } from '../service-registry.ts';
import type { StreamCall } from '../transport.ts';
import { drainedWithin } from './drained.ts';

/** For clients, at a time: each is a copy of the database on disk, and takes its time. */
const SNAPSHOTS_MAX = 4;
/** Snapshot bytes that the client has not taken; beyond, reading the snapshot pauses. */
const SNAPSHOT_BACKLOG_BYTES = 1024 * 1024;
/** For the client to take most of them: only so many snapshots can be open. */
const SNAPSHOT_STALL_MS = 60_000;

export function registerMaintenance(
  registry: ServiceRegistry,
  core: ServerCore,
  maintenance: MaintenanceApi,
  snapshots: SnapshotSource,
): void {
  const { Alarm, Status, Defragment, Hash, HashKV, Snapshot, MoveLeader, Downgrade } = MaintenanceService.methods;
  const { authenticator } = core.parts;
  registry.unary(Alarm.path, async (ctx, bytes) => {
    const response = await maintenance.alarm(ctx, decodeAlarmRequest(bytes));
    return encodeAlarmResponse(core.withHeader(response));
  });
  registry.unary(
    Status.path,
    (ctx) => {
      const status = maintenance.status(ctx);
      return status instanceof Promise ? status.then(encodeStatusResponse) : encodeStatusResponse(status);
    },
    { isServedByLearner: () => true },
  );
  registry.unary(Defragment.path, async (ctx) => {
    await maintenance.defragment(ctx);
    return encodeDefragmentResponse({});
  });
  registry.unary(Hash.path, async (ctx) => encodeHashResponse(await maintenance.hash(ctx)));
  registry.unary(HashKV.path, async (ctx, bytes) =>
    encodeHashKVResponse(await maintenance.hashKv(ctx, decodeHashKVRequest(bytes).revision)),
  );
  registry.unary(MoveLeader.path, async (ctx, bytes) => {
    await authenticator.requireAdmin(ctx);
    await moveLeader(core, decodeMoveLeaderRequest(bytes).targetID);
    return encodeMoveLeaderResponse({});
  });
  registry.unary(Downgrade.path, async (ctx, bytes) => {
    await authenticator.requireAdmin(ctx);
    return encodeDowngradeResponse(await downgrade(core, decodeDowngradeRequest(bytes)));
  });
  let open = 0;
  const sendSnapshot = async (call: StreamCall): Promise<void> => {
    await authenticator.requireAdmin(call.ctx);
    if (open >= SNAPSHOTS_MAX) throw etcdError('TooManyRequests');
    open++;
    try {
      await streamSnapshot(call, snapshots, core.parts.clock);
    } finally {
      open--;
    }
  };
  registry.serverStream(Snapshot.path, sendSnapshot, { isServedByLearner: () => true });
}

/** Tag of SnapshotResponse.blob, and at most 5 bytes of length. */
const BLOB_TAG = 0x1a;
const BLOB_PREFIX_BYTES_MAX = 6;

/** A SnapshotResponse up to the bytes of its blob, which is so not copied: fields may come in any order. */
function beforeBlob(remainingBytes: number, version: string, blobBytes: number): Uint8Array {
  const fields = encodeSnapshotResponse({ remainingBytes, version });
  const out = new Uint8Array(fields.length + BLOB_PREFIX_BYTES_MAX);
  out.set(fields);
  return out.subarray(0, putFieldPrefix(out, fields.length, BLOB_TAG, blobBytes));
}

/** Chunks of the file, then one with its SHA-256; the client checks that the size is a multiple of 512 plus 32. */
async function streamSnapshot(call: StreamCall, snapshots: SnapshotSource, clock: Clock): Promise<void> {
  const snapshot = await snapshots.open();
  try {
    let sentBytes = 0;
    for await (const blob of snapshot.chunks()) {
      if (call.ctx.cancelled) return;
      sentBytes += blob.length;
      call.send(beforeBlob(snapshot.sizeBytes - sentBytes, snapshot.version, blob.length), blob);
      if (call.backlogBytes > SNAPSHOT_BACKLOG_BYTES) await drainedWithin(call, clock, SNAPSHOT_STALL_MS);
    }
    call.send(encodeSnapshotResponse({ remainingBytes: 0, blob: snapshot.sha256(), version: snapshot.version }));
    call.end();
  } finally {
    snapshot.close();
  }
}
