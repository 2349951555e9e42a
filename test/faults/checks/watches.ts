/** What watches promise: filter, order, each event once, whole revisions, no gap over reconnects, bookmarks, exact prev_kv. */
import type { WatchedEvent, WatchRecord } from '../history.ts';
import type { Ledger } from './ledger.ts';
import { hold, shown } from './violation.ts';

/** Returns the number of events that were held against the history. */
export function checkWatch(record: WatchRecord, ledger: Ledger): number {
  const expected = ledger.changes(record.key, record.end, record.fromRevision);
  let at = 0;
  for (const delivery of record.deliveries) {
    const where = (): string => `${record.name} on ${record.key} through ${delivery.member}`;
    if (delivery.kind === 'events') {
      for (const event of delivery.events) expectEvent(record, event, expected[at++], where);
      const isWhole = expected[at]?.entry.mod !== expected[at - 1]?.entry.mod;
      hold(isWhole, 'a revision comes whole', () => `${where()}: without ${shown(expected[at])}`);
      continue;
    }
    // Whoever resumes, or is told that it is up to date, must have got everything before.
    const upTo = delivery.kind === 'progress' ? delivery.revision : delivery.revision - 1;
    const missing = expected[at];
    const isComplete = missing === undefined || missing.entry.mod > upTo;
    const rule = delivery.kind === 'progress' ? 'a bookmark comes after all events' : 'a watch has no gap';
    hold(isComplete, rule, () => `${where()}: at ${upTo}, without ${shown(missing)}`);
  }
  hold(at === expected.length, 'a watch gets everything', () => `${record.name}: without ${shown(expected[at])}`);
  return at;
}

function expectEvent(
  { prevKv }: WatchRecord,
  event: WatchedEvent,
  expected: WatchedEvent | undefined,
  where: () => string,
): void {
  const isIt = event.type === expected?.type && shown(event.entry) === shown(expected.entry);
  hold(isIt, 'events in order, once each', () => `${where()}: ${shown(event)} in place of ${shown(expected)}`);
  const prev = prevKv ? expected.prev : undefined;
  hold(shown(event.prev) === shown(prev), 'prev_kv', () => `${where()}: ${shown(event)}, not ${shown(prev)}`);
}
