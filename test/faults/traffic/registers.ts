import type { Session } from './session.ts';

export const REGISTERS = 'r/';
const COUNT = 5;

/** Plain puts, deletions, compare-and-swap, reads. */
export function registers(session: Session): Promise<void> {
  const { random, history } = session;
  return session.loop(async () => {
    const key = `${REGISTERS}${random.below(COUNT)}`;
    const choice = random.below(100);
    if (choice < 25) await session.change({ kind: 'put', key, value: history.newValue() });
    else if (choice < 32) await session.change({ kind: 'delete', key });
    else if (choice < 60) await swap(session, key);
    else if (choice < 88) await session.range({ key });
    else await session.range({ key, serializable: true });
  });
}

async function swap(session: Session, key: string): Promise<void> {
  const { entries = [] } = await session.range({ key, serializable: session.random.below(2) === 0 });
  const value = session.history.newValue();
  await session.guarded({ key, target: 'mod', equals: entries[0]?.mod ?? 0 }, { kind: 'put', key, value });
}
