/** A request in a line of the log, in the manner of etcd's: keys and sizes, never values or anything of auth's. */
import type { Command } from '../apply/command.ts';

const KEY_BYTES_MAX = 128;

export function requestText(command: Command): string {
  switch (command.kind) {
    case 'put': {
      const { key, value } = command.request;
      return `put:<key:${keyText(key)} value_size:${value.length} >`;
    }
    case 'deleteRange': {
      const { key, rangeEnd } = command.request;
      const end = rangeEnd.length === 0 ? '' : `range_end:${keyText(rangeEnd)} `;
      return `delete_range:<key:${keyText(key)} ${end}>`;
    }
    case 'txn': {
      const { compare, success, failure } = command.request;
      return `txn:<compare:${compare.length} success:${success.length} failure:${failure.length} >`;
    }
    case 'compaction':
      return `compaction:<revision:${command.request.revision} >`;
    case 'leaseGrant':
      return `lease_grant:<ttl:${command.request.TTL}-second id:${command.request.ID.toString(16)} >`;
    case 'leaseRevoke':
      return `lease_revoke:<id:${command.request.ID.toString(16)} >`;
    default:
      return command.kind;
  }
}

function keyText(key: Uint8Array): string {
  const shown = Buffer.from(key.subarray(0, KEY_BYTES_MAX)).toString();
  return key.length > KEY_BYTES_MAX ? `${JSON.stringify(shown)}... key_size:${key.length}` : JSON.stringify(shown);
}
