import type { Environment, Fault } from './fault.ts';
import { brokenPair, cuts, delay, isolate, loss, muteToClients, oneWay, partition, slow } from './link-faults.ts';
import {
  clockStep,
  diskFull,
  handOver,
  kill,
  killAll,
  killMinority,
  leaderChurn,
  pause,
  rollingRestart,
} from './process-faults.ts';
import { replaceMember } from './replace-member.ts';

export const FAULTS: readonly Fault[] = [
  kill,
  killMinority,
  killAll,
  pause,
  leaderChurn,
  handOver,
  rollingRestart,
  replaceMember,
  diskFull,
  clockStep,
  isolate,
  partition,
  oneWay,
  brokenPair,
  delay,
  loss,
  slow,
  cuts,
  muteToClients,
];

export function faultNamed(name: string): Fault {
  const fault = FAULTS.find((each) => each.name === name);
  if (fault === undefined)
    throw new Error(`no fault "${name}"; there are ${FAULTS.map((each) => each.name).join(', ')}`);
  return fault;
}

/** Faults that can be made here, and why the others cannot. */
export function possibleFaults(environment: Environment): { possible: Fault[]; missing: Map<string, string> } {
  const missing = new Map<string, string>();
  const possible = FAULTS.filter((fault) => {
    const reason = fault.missing?.(environment);
    if (reason !== undefined) missing.set(fault.name, reason);
    return reason === undefined;
  });
  return { possible, missing };
}
