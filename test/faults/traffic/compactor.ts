import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './session.ts';

const EVERY_MS = 250;
const KEPT_REVISIONS = 60;

/**
 * Compacts again and again, sometimes waiting for it to be done on disk. Not beyond `watchedTo`: a watch that is behind would
 * lose events, as it may, and could not be held against the history any more.
 */
export function compactions(session: Session, watchedTo: () => number): Promise<void> {
  const { random } = session;
  let newest = 0;
  return session.loop(async () => {
    await sleep(EVERY_MS + random.below(2 * EVERY_MS));
    // Never the newest revision: nothing would be left to compare at.
    const revision = watchedTo() - 1 - random.below(KEPT_REVISIONS);
    if (revision <= newest) return;
    newest = revision;
    await session.compact(revision, random.below(3) === 0);
  });
}
