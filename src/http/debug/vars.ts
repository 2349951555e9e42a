/** GET /debug/vars: what etcd's expvar page says (etcd-behaviour §5.2), of a process that is not written in Go. */

import { goJson, methodNotAllowed } from '../http-message.ts';
import type { HttpHandler } from '../http-message.ts';

/** Bytes. */
export interface MemoryFigures {
  readonly rss: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

export interface ProgressFigures {
  readonly match: number;
  readonly next: number;
  readonly state: string;
}

export interface RaftFigures {
  readonly id: bigint;
  readonly term: number;
  readonly vote: bigint;
  readonly committed: number;
  readonly applied: number;
  readonly leader: bigint;
  readonly role: string;
  readonly leadTransferee: bigint;
  /** Empty unless leader. */
  readonly progress: ReadonlyMap<bigint, ProgressFigures>;
}

export interface DebugVars {
  commandLine(): readonly string[];
  fileDescriptorLimit(): number;
  memory(): MemoryFigures;
  raft(): RaftFigures;
}

export function varsHandler(vars: DebugVars): HttpHandler {
  return (request) => {
    if (request.method !== 'GET') return methodNotAllowed('GET');
    const entries: [string, unknown][] = [
      ['cmdline', vars.commandLine()],
      ['file_descriptor_limit', vars.fileDescriptorLimit()],
      ['memstats', memoryJson(vars.memory())],
      ['raft.status', raftJson(vars.raft())],
    ];
    const lines = entries.map(([name, value]) => `"${name}": ${goJson(value)}`);
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: `{\n${lines.join(',\n')}\n}\n`,
    };
  };
}

/** Under Go's names what there is here too, so that tools that plot them go on; then Node's own figures. */
function memoryJson(memory: MemoryFigures): Record<string, number> {
  return {
    Alloc: memory.heapUsed + memory.external,
    Sys: memory.rss,
    HeapAlloc: memory.heapUsed,
    HeapSys: memory.heapTotal,
    HeapIdle: memory.heapTotal - memory.heapUsed,
    HeapInuse: memory.heapUsed,
    ...memory,
  };
}

function raftJson(raft: RaftFigures): unknown {
  const progress = [...raft.progress].map(([id, { match, next, state }]) => [
    hex(id),
    { match, next, state: stateName(state) },
  ]);
  return {
    id: hex(raft.id),
    term: raft.term,
    vote: hex(raft.vote),
    commit: raft.committed,
    lead: hex(raft.leader),
    raftState: stateName(raft.role),
    applied: raft.applied,
    progress: Object.fromEntries(progress) as unknown,
    leadtransferee: hex(raft.leadTransferee),
  };
}

function hex(id: bigint): string {
  return id.toString(16);
}

/** `pre-candidate` is StatePreCandidate. */
function stateName(name: string): string {
  return `State${name.replaceAll(/(?:^|-)(.)/g, (_, first: string) => first.toUpperCase())}`;
}
