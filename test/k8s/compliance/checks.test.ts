/** Every check of the compliance list passes on a sound server, and fails on one that is broken where it looks. */
import { describe, expect, it } from 'vitest';
import { CHECKS, GROUPS } from './all-checks.ts';
import type { Check, Context } from './check.ts';
import { compactionCheck } from './checks/lists.ts';
import { namespaceChecks } from './checks/objects.ts';
import { BREAKAGES } from './fake/breakages.ts';
import { FakeApiServer } from './fake/server.ts';
import { KubeClient } from './kube-client.ts';
import { runChecks } from './run-checks.ts';

/** For what has to come about; generous, as machines are slow. */
const PATIENCE_MS = 20_000;
/** For what is broken, and never comes about. */
const SHORT_PATIENCE_MS = 700;
const EVENT_TTL_MS = 400;

async function onFake(
  compactEveryMs: number,
  body: (context: Context, fake: FakeApiServer) => Promise<void>,
): Promise<void> {
  const fake = await FakeApiServer.start({ eventTtlMs: EVENT_TTL_MS, compactEveryMs });
  const access = { server: fake.url };
  const [client, other] = [new KubeClient(access), new KubeClient(access)];
  const context: Context = {
    client,
    other,
    namespace: 'compliance',
    id: 'compliance-1',
    without: undefined,
    images: ['image:1', 'image:2'],
    patienceMs: PATIENCE_MS,
    compactionMs: PATIENCE_MS,
    eventTtlMs: EVENT_TTL_MS,
    leaderLeaseMs: 2_000,
    notes: new Map(),
  };
  try {
    await body(context, fake);
  } finally {
    client.close();
    other.close();
    await fake.stop();
  }
}

it('the whole list passes on a sound server', { timeout: 300_000 }, async () => {
  // Long enough for no list to be overtaken on a slow machine.
  await onFake(5_000, async (context) => {
    const results = await runChecks(CHECKS, context);
    expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect(results).toHaveLength(GROUPS.flat().length);
  });
});

it('there is a broken server for every check', () => {
  expect(BREAKAGES.map(([check]) => check).sort()).toEqual(CHECKS.map(({ name }) => name).sort());
});

/** What has to come before the check: the namespace, and the earlier ones of its group. */
function before(name: string): { earlier: Check[]; check: Check } {
  const group = GROUPS.find((checks) => checks.some((check) => check.name === name)) ?? [];
  const index = group.findIndex((check) => check.name === name);
  const check = group[index];
  if (check === undefined) throw new Error(`no check ${name}`);
  const isAboutNamespaces = namespaceChecks.some((other) => other.name === name);
  return { earlier: [...(isAboutNamespaces ? [] : namespaceChecks), ...group.slice(0, index)], check };
}

// They mostly wait for what does not come.
describe.concurrent('fails on a broken server:', () => {
  it.each(BREAKAGES)('%s: %s', { timeout: 120_000 }, async (name, _what, breakIt) => {
    const { earlier, check } = before(name);
    await onFake(check === compactionCheck ? 300 : 600_000, async (context, fake) => {
      for (const { outcome, reason } of await runChecks(earlier, context)) expect(outcome, reason).toBe('passed');
      fake.breakWith(breakIt);
      const [result] = await runChecks([check], { ...context, patienceMs: SHORT_PATIENCE_MS });
      expect(result).toMatchObject({ check: name, outcome: 'failed' });
      expect(result?.reason).not.toMatch(/is not a function|Cannot read|undefined \(/);
    });
  });
});
