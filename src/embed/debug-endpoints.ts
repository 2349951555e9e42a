/** /debug/… of the client URLs, fed by this process. */
import { addProfiles } from '../http/debug/profiles.ts';
import { varsHandler } from '../http/debug/vars.ts';
import type { Routes } from '../http/routes.ts';
import { descriptorLimit } from '../observability/process-metrics.ts';
import type { Member } from './member.ts';

export function addDebugEndpoints(routes: Routes, member: Member, withProfiles: boolean): void {
  const commandLine = (): readonly string[] => process.argv;
  const vars = {
    commandLine,
    fileDescriptorLimit: descriptorLimit,
    memory: () => process.memoryUsage(),
    raft: () => member.raft.status(),
  };
  routes.exact('/debug/vars', varsHandler(vars));
  if (!withProfiles) return;
  const load = async () => new (await import('../observability/inspector-profiler.ts')).InspectorProfiler();
  addProfiles(routes, load, commandLine);
}
