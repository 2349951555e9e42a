import type { Entry } from '../history.ts';
import type { Session } from './session.ts';

export const OBJECTS = '/registry/';
export const OBJECTS_END = '/registry0';
const NAMES = 18;
const PAGE = 5;
const PAST_REVISIONS = 200;

/** What kube-apiserver does to its store: create, guarded update and delete, lists in pages at one revision. */
export function objects(session: Session): Promise<void> {
  const { random } = session;
  /** As the watch cache last knew them. */
  const known = new Map<string, Entry>();
  return session.loop(async () => {
    const key = `${OBJECTS}pods/default/p${String(random.below(NAMES)).padStart(2, '0')}`;
    const choice = random.below(100);
    if (choice < 12) await list(session, known);
    else if (choice < 16) await session.range({ key, revision: pastRevision(session) });
    else if (choice < 30) remember(known, key, (await session.range({ key })).entries?.[0]);
    else await changeObject(session, known, key, choice > 85);
  });
}

/** One that there has been; it may be compacted by now. */
function pastRevision({ random, history }: Session): number {
  const newest = history.seen.at(-1)?.revision ?? 1;
  return Math.max(1, newest - random.below(PAST_REVISIONS));
}

async function changeObject(session: Session, known: Map<string, Entry>, key: string, remove: boolean): Promise<void> {
  const entry = known.get(key);
  const guard = { key, target: 'mod', equals: entry?.mod ?? 0 } as const;
  const value = session.history.newValue();
  const isDelete = remove && entry !== undefined;
  const answer = await session.guarded(guard, isDelete ? { kind: 'delete', key } : { kind: 'put', key, value });
  if (answer.succeeded === false) remember(known, key, answer.entries?.[0]);
  else if (isDelete) known.delete(key);
  else {
    const { revision: mod } = answer;
    known.set(key, { key, value, mod, create: entry?.create ?? mod, version: (entry?.version ?? 0) + 1, lease: 0n });
  }
}

async function list(session: Session, known: Map<string, Entry>): Promise<void> {
  let key = OBJECTS;
  let revision: number | undefined;
  known.clear();
  for (;;) {
    const at = revision === undefined ? {} : { revision };
    const page = await session.range({ key, end: OBJECTS_END, limit: PAGE, ...at });
    revision ??= page.revision;
    for (const entry of page.entries ?? []) known.set(entry.key, entry);
    const last = page.entries?.at(-1);
    if (page.more !== true || last === undefined) return;
    key = `${last.key}\0`;
  }
}

function remember(known: Map<string, Entry>, key: string, entry: Entry | undefined): void {
  if (entry === undefined) known.delete(key);
  else known.set(key, entry);
}
