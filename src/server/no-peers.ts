/** The network of a member that is alone, where there is none. */
import { PeerCallError, type PeerCalls, type PeerNetwork, type PeerTransport } from './peer-transport.ts';

const transport: PeerTransport = {
  listen: () => Promise.resolve(),
  start: () => {},
  stop: () => Promise.resolve(),
  addPeer: () => {},
  updateSelf: () => {},
  updatePeer: () => {},
  removePeer: () => {},
  peers: () => [],
  send: () => {},
  sendSnapshot: (_message, source) => source.done(false),
  activeSince: () => undefined,
  roundTrip: () => undefined,
};

function nobody(): Promise<never> {
  return Promise.reject(new PeerCallError('there are no other members'));
}

const calls: PeerCalls = {
  members: nobody,
  versions: nobody,
  hashKv: nobody,
  promoteMember: nobody,
  renewLease: nobody,
  leaseTimeToLive: nobody,
  isDowngradeEnabled: nobody,
  close: () => {},
};

export const NO_PEERS: PeerNetwork = { transport: () => transport, calls: () => calls };
