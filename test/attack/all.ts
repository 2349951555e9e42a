import type { Attack } from './attack.ts';
import { HTTP1_ATTACKS } from './attacks/http1.ts';
import { HTTP2_ATTACKS } from './attacks/http2.ts';
import { LOAD_ATTACKS } from './attacks/load.ts';
import { PEER_ATTACKS } from './attacks/peer.ts';
import { TLS_ATTACKS } from './attacks/tls.ts';

export const ALL_ATTACKS: readonly Attack[] = [
  ...HTTP2_ATTACKS,
  ...LOAD_ATTACKS,
  ...HTTP1_ATTACKS,
  ...PEER_ATTACKS,
  ...TLS_ATTACKS,
];

/** Throws for a name that there is not. */
export function attackNamed(name: string): Attack {
  const found = ALL_ATTACKS.find((attack) => attack.name === name);
  if (found === undefined) throw new Error(`no attack ${name}; there are ${ALL_ATTACKS.map((a) => a.name).join(', ')}`);
  return found;
}
