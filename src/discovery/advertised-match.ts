/** Whether a member's entry in the initial cluster is what it advertises: names and addresses of one host are the same. */
import type { Clock } from '../ports/clock.ts';
import type { NameService } from './name-service.ts';

/** A name may become known only when its pod runs: it is asked for again until then. */
const RETRY_MS = 1000;
const PATIENCE_MS = 30_000;

export interface MatchParts {
  readonly names: Pick<NameService, 'address'>;
  readonly clock: Clock;
}

/** Both lists as URLs without a path. Rejects with an Error of one line that says how they differ. */
export async function checkAdvertised(
  memberName: string,
  listed: readonly string[],
  advertised: readonly string[],
  parts: MatchParts,
): Promise<void> {
  if (isSame(listed, advertised)) return;
  const untilMs = parts.clock.monotonicMs() + PATIENCE_MS;
  let problem: string;
  if (listed.length !== advertised.length) {
    problem = `there are ${listed.length} and ${advertised.length} of them`;
  } else {
    try {
      const resolved = [
        await resolveAll(listed, parts, untilMs),
        await resolveAll(advertised, parts, untilMs),
      ] as const;
      if (isSame(...resolved)) return;
      problem = `resolved urls: ${resolved[1].join(',')} != ${resolved[0].join(',')}`;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
  }
  const shown = (urls: readonly string[]): string => urls.map((url) => `${memberName}=${url}`).join(',');
  const missing = listed.filter((url) => !advertised.includes(url));
  if (missing.length > 0) {
    const own = advertised.join(',');
    throw new Error(
      `--initial-cluster has ${shown(missing)} but missing from --initial-advertise-peer-urls=${own} (${problem})`,
    );
  }
  const extra = advertised.filter((url) => !listed.includes(url));
  throw new Error(
    `--initial-advertise-peer-urls has ${shown(extra)} but missing from --initial-cluster=${shown(listed)}`,
  );
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.toSorted().join() === b.toSorted().join();
}

async function resolveAll(urls: readonly string[], parts: MatchParts, untilMs: number): Promise<string[]> {
  const resolved: string[] = [];
  for (const url of urls) resolved.push(await resolve(url, parts, untilMs));
  return resolved.toSorted();
}

async function resolve(text: string, { names, clock }: MatchParts, untilMs: number): Promise<string> {
  const [, scheme = '', host = '', port = ''] = /^(https?):\/\/(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text) ?? [];
  if (scheme === '' || host === 'localhost') return text;
  for (;;) {
    try {
      const address = await names.address(host.replace(/^\[|\]$/g, ''));
      return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
    } catch (error) {
      if (clock.monotonicMs() + RETRY_MS > untilMs) throw error;
      await new Promise<void>((done) => void clock.after(RETRY_MS, done));
    }
  }
}
