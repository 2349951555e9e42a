/**
 * The pictures of docs/ui.md: a cluster of three members under load, as the dashboard shows it in a headless browser.
 * `node_modules/.bin/node scripts/ui-screenshot.ts [--seconds=150] [--out=docs] [--all]`; with --all in the dark and on a phone too.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { launchBrowser } from '../test/support/browser.ts';
import { withBundle } from '../test/support/quorate-process.ts';
import type { RawClient } from '../test/support/raw-client.ts';
import { TestCluster } from '../test/support/test-cluster.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, out: { type: 'string' }, all: { type: 'boolean' } },
});
const seconds = Number(values.seconds ?? '150');
const out = values.out ?? join(import.meta.dirname, '..', 'docs');

let isOver = false;

await withBundle(async () => {
  const cluster = await TestCluster.start(['quorate', 'quorate', 'quorate'], ['--enable-ui']);
  const browser = await launchBrowser();
  try {
    const leader = await cluster.leader();
    const load = cluster.members.flatMap(({ client }, i) =>
      [1, 2, 3, 4].flatMap(() => [writer(client, i), reader(client, i)]),
    );
    await watcher(leader.client);
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 });
    const url = `${leader.server.clientUrl}/ui/`;
    await page.goto(url);
    await sleep(seconds * 1000);
    await shoot(page, 'ui.png', 'light');
    if (values.all === true) {
      await shoot(page, 'ui-dark.png', 'dark');
      await page.setViewportSize({ width: 390, height: 800 });
      await sleep(2500);
      await shoot(page, 'ui-phone.png', 'light');
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${url}#/keys?prefix=${encodeURIComponent('/registry/pods/')}`);
    await page.getByRole('button', { name: '/web-0' }).first().click();
    await page.locator('.history tr').nth(1).waitFor();
    await shoot(page, 'ui-keys.png', 'dark', false);
    isOver = true;
    await Promise.all(load);
  } finally {
    isOver = true;
    await browser.close();
    await cluster.stop();
  }
});

async function shoot(page: Page, file: string, colorScheme: 'light' | 'dark', fullPage = true): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await sleep(300);
  await page.screenshot({ path: join(out, file), fullPage });
}

/** Busier and less busy, as people are. */
function pauseMs(number: number): number {
  const wave = Math.sin(Date.now() / 1000 / (9 + 4 * number)) + Math.sin(Date.now() / 1000 / 31);
  return 4 + 5 * (1 + wave / 2) * Math.random();
}

async function writer(client: RawClient, number: number): Promise<void> {
  const { ID } = await client.leaseGrant({ TTL: 3600 });
  for (let n = 0; !isOver; n++) {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: `web-${n % 400}`, generation: n } };
    const value = JSON.stringify({ ...pod, status: { phase: 'Running', podIP: `10.${number}.0.${n % 250}` } });
    const key = `/registry/pods/shop-${number}/web-${n % 400}`;
    const puts = Array.from({ length: 1 + (n % 4) }, () => client.put({ key, value }));
    if (n % 5 === 0) puts.push(client.put({ key: `/registry/leases/node-${n % 40}`, value: String(n), lease: ID }));
    await Promise.all(puts);
    if (n % 7 === 0) {
      const success = [{ request_put: { key: `/registry/events/${number}/${n % 900}`, value: value.repeat(3) } }];
      await client.txn({ compare: [], success, failure: [] });
    }
    await sleep(pauseMs(number));
  }
}

async function reader(client: RawClient, number: number): Promise<void> {
  for (let n = 0; !isOver; n++) {
    const keys = Array.from({ length: 6 }, (_, i) => `/registry/pods/shop-${number}/web-${(n * 7 + i) % 400}`);
    await Promise.all(keys.map((key) => client.range({ key })));
    if (n % 100 === 0) await client.range({ key: '/registry/pods/', range_end: '/registry/pods0', limit: 100 });
    await sleep(pauseMs(number));
  }
}

/** As many as three controllers have. */
async function watcher(client: RawClient): Promise<void> {
  for (const prefix of ['/registry/pods/', '/registry/events/', '/registry/leases/']) {
    const stream = client.watch();
    stream.send({ create_request: { key: prefix, range_end: `${prefix.slice(0, -1)}0` } });
    void drain(stream);
  }
}

async function drain(stream: ReturnType<RawClient['watch']>): Promise<void> {
  while (!isOver) await stream.next(60_000).catch(() => {});
}
