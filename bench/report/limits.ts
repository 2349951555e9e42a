/** Goals that are figures of quorate alone. */

const PAUSE_MS_MAX = 20;
const RESTART_MS_MAX = 500;
const MEMORY_MB_MAX = 300;

/** The most that this figure may be; undefined where there is no such goal. */
export function limitOf(caseName: string, name: string): number | undefined {
  if (caseName === 'pauses' && name.endsWith(': longest pause of the loop')) return PAUSE_MS_MAX;
  if (!caseName.startsWith('restart-')) return undefined;
  if (name === 'until healthy') return RESTART_MS_MAX;
  return name.startsWith('anonymous memory') ? MEMORY_MB_MAX : undefined;
}
