/** The dashboard in a real browser, in front of real members. */
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { AuthClient } from '../support/auth-client.ts';
import { hasBrowser, launchBrowser, NO_BROWSER } from '../support/browser.ts';
import { withBundleForFile } from '../support/bundle-for-file.ts';
import { CertificateFolder } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { http } from '../support/http.ts';
import { startQuorate } from '../support/quorate-process.ts';
import { RawClient } from '../support/raw-client.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { TestCluster } from '../support/test-cluster.ts';

if (!hasBrowser()) console.warn(`skipped: the dashboard in a browser: ${NO_BROWSER}`);

/** For what takes a few looks of the page at the server, on a machine that is busy with other tests. */
const SOON = { timeout: 30_000 };
const readyTimeoutMs = 60_000;

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let browser: Browser;
let opened: { readonly page: Page; readonly complaints: string[] }[] = [];

withBundleForFile();
beforeAll(async () => {
  if (hasBrowser()) browser = await launchBrowser();
});
afterAll(async () => browser?.close());

/** Whatever the test was about: no page may have complained, not about its security policy either. */
afterEach(async () => {
  const complaints = opened.flatMap((one) => one.complaints);
  await Promise.all(opened.map(({ page }) => page.context().close()));
  opened = [];
  expect(complaints).toEqual([]);
});

async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(SOON.timeout);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  opened.push({ page, complaints });
  await page.goto(url);
  return page;
}

/** What the page has to complain about, however often. */
function forgive(page: Page, pattern: RegExp): void {
  const complaints = opened.find((other) => other.page === page)?.complaints ?? [];
  const rest = complaints.filter((complaint) => !pattern.test(complaint));
  expect(rest.length).toBeLessThan(complaints.length);
  complaints.splice(0, complaints.length, ...rest);
}

function rows(page: Page, place: string): Locator {
  return page.getByRole('region', { name: place, exact: true }).locator('tbody tr');
}

/** Waits for the text that `locator` shows. */
async function expectText(locator: Locator, expected: string | RegExp): Promise<void> {
  await expect.poll(() => locator.textContent(), SOON).toMatch(expected);
}

describe.runIf(hasBrowser())('a cluster of three', () => {
  let cluster: TestCluster;
  let client: RawClient;
  let url = '';

  beforeAll(async () => {
    cluster = await TestCluster.start(['quorate', 'quorate', 'quorate'], ['--enable-ui']);
    const leader = await cluster.leader();
    client = leader.client;
    url = `${leader.server.clientUrl}/ui/`;
  });
  afterAll(async () => cluster?.stop());

  test('its members, and charts that move when there is something to do', async () => {
    const page = await open(url);
    await expect.poll(() => rows(page, 'Members').count(), SOON).toBe(3);
    const leader = await cluster.leader();
    for (const { name, server } of cluster.members) {
      const row = rows(page, 'Members').filter({ hasText: server.endpoint });
      await expectText(row.locator('[data-label=Role]'), name === leader.name ? 'leader' : 'follower');
      await expectText(row.locator('[data-label="Applied index"]'), /^[\d,]+$/);
      await expectText(row.locator('[data-label=Lag]'), /^\d+$/);
      await expectText(row.locator('[data-label=Database]'), /[KM]iB/);
    }
    await expectText(page.locator('[data-tile=Leader] strong'), leader.name);
    await expectText(page.locator('.health'), '3 of 3 members answer');

    const chart = page.getByRole('region', { name: 'Requests' });
    await chart.locator('canvas').waitFor();
    const before = await picture(chart);
    let isOver = false;
    const load = (async () => {
      for (let n = 0; !isOver; n++) await client.put({ key: `/load/${n % 50}`, value: `${n}` });
    })();
    try {
      await expectText(chart.locator('.entry', { hasText: 'Put' }).locator('.value'), /^[1-9][\d.]*k?$/);
      await expect.poll(() => picture(chart), SOON).not.toBe(before);
    } finally {
      isOver = true;
      await load;
    }
    await expectText(page.getByRole('region', { name: 'Disk latency' }).locator('.value').first(), /[mµ]s$/);
  });

  test('keys by prefix, in pages, as of one revision', async () => {
    const put = (key: string): Promise<unknown> => client.put({ key, value: 'x' });
    await Promise.all(Array.from({ length: 120 }, (_, n) => put(`/page/${String(n).padStart(3, '0')}`)));
    const page = await open(`${url}#/keys?prefix=${encodeURIComponent('/page/')}`);
    const position = page.getByRole('region', { name: 'Keys' }).getByRole('status');
    await expectText(position, /^1–50 of 120 at revision/);
    // Pages that are still to come do not change.
    await put('/page/055-new');
    await page.getByRole('button', { name: 'Next' }).click();
    await expectText(position, /^51–100 of 120/);
    expect(await rows(page, 'Keys').first().locator('.key').textContent()).toBe('/page/050');
    await page.getByRole('button', { name: 'Next' }).click();
    await expectText(position, /^101–120 of 120/);
    expect(await page.getByRole('button', { name: 'Next' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Previous' }).click();
    await expectText(position, /^51–100 of 120/);
    await page.getByLabel('Prefix').fill('/page/055');
    await page.getByRole('button', { name: 'Show' }).click();
    await expectText(position, /^1–2 of 2/);
  });

  test('what a key says and said, in this life and before', async () => {
    const { ID: lease } = await client.leaseGrant({ TTL: 600 });
    const key = '/history/\u0000key';
    for (const value of ['first life', 'of it']) await client.put({ key, value });
    await client.deleteRange({ key });
    for (const value of ['{"n":1}', 'two']) await client.put({ key, value });
    await client.put({ key, value: '{"long":12345678901234567890}', lease });
    const page = await open(`${url}#/keys?prefix=${encodeURIComponent('/history/')}`);
    await page.getByRole('button', { name: '/history/\\x00key' }).click();
    const detail = page.getByRole('region', { name: 'Key', exact: true });
    await expectText(detail.locator('pre'), '{\n  "long": 12345678901234567890\n}');
    await expectText(detail.locator('.facts'), /Version3.*left/);
    const history = detail.locator('.history tr');
    await expect
      .poll(() => history.locator('.preview').allTextContents(), SOON)
      .toEqual(['{"long":12345678901234567890}', 'two', '{"n":1}']);
    await history.nth(1).getByRole('button').click();
    await expectText(detail.locator('pre'), /^two$/);
    await detail.getByRole('button', { name: 'Hex' }).click();
    await expectText(detail.locator('pre'), /^00000000 {2}74 77 6f .*two$/);
    await detail.getByRole('button', { name: 'Look for earlier lives' }).click();
    await expect
      .poll(() => history.locator('.badge').allTextContents(), SOON)
      .toEqual(['PUT', 'PUT', 'PUT', 'DELETE', 'PUT', 'PUT']);
    await expectText(history.last().locator('.preview'), /^first life$/);
  });

  test('a watch shows what happens while it happens, and no more rows than fit', async () => {
    const page = await open(`${url}#/watch`);
    const status = page.getByRole('region', { name: 'Events' }).getByRole('status');
    await page.getByLabel('Key').first().fill('/live/');
    await page.getByRole('button', { name: 'Start' }).click();
    await expectText(status, /^Watching: 0 events/);
    await client.put({ key: '/live/a', value: 'now' });
    await client.put({ key: '/dead/a', value: 'not this' });
    await client.deleteRange({ key: '/live/a' });
    await expect.poll(() => rows(page, 'Events').count(), SOON).toBe(2);
    expect(await rows(page, 'Events').first().locator('.badge').textContent()).toBe('DELETE');
    expect(await rows(page, 'Events').last().textContent()).toContain('/live/a3 Bnow');
    const puts = Array.from({ length: 300 }, (_, n) => client.put({ key: `/live/${n}`, value: 'x' }));
    await Promise.all(puts);
    await expectText(status, /^Watching: 302 events.*latest 200/);
    await expect.poll(() => rows(page, 'Events').count(), SOON).toBe(200);
    await page.getByRole('button', { name: 'Stop' }).click();
    await expectText(status, /^Stopped after 302 events/);
  });

  test('keys and values that are markup stay text', async () => {
    const markup = '<img src=x onerror="alert(1)">';
    const script = '<script>document.title = "owned"</script>';
    await client.put({ key: `/markup/${markup}`, value: `${script}${markup}` });
    await client.put({ key: '/markup/x', value: JSON.stringify({ a: script }) });
    const page = await open(`${url}#/keys?prefix=${encodeURIComponent('/markup/')}`);
    await page.getByRole('button', { name: `/markup/${markup}` }).click();
    const detail = page.getByRole('region', { name: 'Key', exact: true });
    await expectText(detail.locator('pre'), script + markup);
    expect(await detail.locator('h2').textContent()).toBe(`/markup/${markup}`);
    await expectText(detail.locator('.history .preview'), script + markup);
    await page.goto(`${url}#/watch?key=${encodeURIComponent(`/markup/${markup}`)}`);
    await expectText(page.getByRole('region', { name: 'Events' }).getByRole('status'), /^Watching: 0/);
    await client.put({ key: `/markup/${markup}`, value: script });
    await expectText(rows(page, 'Events').first(), markup);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).toBe('Watch · quorate');
  });

  test('script in the page could not write, nor talk to anybody else', async () => {
    const page = await open(url);
    await rows(page, 'Members').first().waitFor();
    for (const path of ['/v3/kv/put', '/v3/kv/txn', '/v3/maintenance/defragment', 'http://127.0.0.1:1/']) {
      const attempt = `fetch(${JSON.stringify(path)}, { method: 'POST', body: '{"key":"Zm9v"}' }).then(() => 'sent', String)`;
      expect(await page.evaluate(attempt)).toMatch(/^TypeError/);
    }
    forgive(page, /Content Security Policy/);
    const inline = `(() => { const s = document.createElement('p'); s.innerHTML = '<b>x</b>'; })()`;
    await expect(page.evaluate(inline)).rejects.toThrow(/TrustedHTML/);
    forgive(page, /TrustedHTML/);
    expect((await client.range({ key: 'foo' })).kvs).toHaveLength(0);
  });

  test('fits a phone, and follows the colours that are preferred', async () => {
    const page = await open(url, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    await rows(page, 'Members').first().waitFor();
    await page.getByRole('region', { name: 'CPU' }).locator('canvas').waitFor();
    for (const hash of ['#/overview', '#/keys', '#/watch']) {
      await page.goto(url + hash);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    }
    const background = (): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await background();
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await background()).not.toBe(dark);
  });

  test('a member that is down is shown as such; the others go on', async () => {
    const [follower] = await cluster.followers();
    if (follower === undefined) throw new Error('no follower');
    const page = await open(url);
    await follower.server.kill();
    const row = rows(page, 'Members').filter({ hasText: follower.server.endpoint });
    await row.locator('.dot.bad').waitFor();
    await expectText(row.locator('.trouble'), /ECONNREFUSED|no answer|connection|session/i);
    await expectText(page.locator('.health'), '2 of 3 members answer');
  });
});

describe.runIf(hasBrowser())('two members with TLS, certificates of clients and users', () => {
  const folder = new CertificateFolder();
  let servers: readonly ServerProcess[] = [];
  let url = '';
  let certificate: BrowserContextOptions = {};
  let client: RawClient;
  let root: AuthClient;

  beforeAll(async () => {
    const authority = await folder.authority('ours');
    const server = await authority.issue('server', { hosts: ['127.0.0.1'] });
    const own = await authority.issue('browser', { hosts: [] });
    const tls = [`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`, '--client-cert-auth'];
    const flags = [...tls, `--trusted-ca-file=${authority.caFile}`, '--enable-ui', '--bcrypt-cost=4'];
    const peers = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
    const initial = peers.map((peer, i) => `t${i}=${peer}`).join(',');
    servers = await Promise.all(
      peers.map((peer, i) => {
        const place = [`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`];
        return startQuorate({
          isSecure: true,
          readyTimeoutMs,
          name: `t${i}`,
          flags: [...flags, ...place, `--initial-cluster=${initial}`],
        });
      }),
    );
    const [{ clientUrl, endpoint } = { clientUrl: '', endpoint: '' }] = servers;
    url = `${clientUrl}/ui/`;
    const { certFile: certPath, keyFile: keyPath } = own;
    certificate = { ignoreHTTPSErrors: true, clientCertificates: [{ origin: clientUrl, certPath, keyPath }] };
    const pair = [Buffer.from(own.key), Buffer.from(own.cert)] as const;
    client = new RawClient(endpoint, {}, credentials.createSsl(Buffer.from(authority.cert), ...pair));
    await client.put({ key: '/mine/a', value: 'for ann' });
    await client.put({ key: '/secret/a', value: 'for nobody' });
    const nobody = new AuthClient(client);
    await nobody.addUser('root', 'rootpw');
    await nobody.call('UserGrantRole', { user: 'root', role: 'root' });
    await nobody.addUser('ann', 'annpw');
    await nobody.give('ann', 'mine', { permType: 'READ', key: '/mine/', range_end: '/mine0' });
    await nobody.call('AuthEnable');
    root = await nobody.login('root', 'rootpw');
  });
  afterAll(async () => {
    client?.close();
    await Promise.all(servers.map((server) => server.stop()));
    folder.remove();
  });

  const unauthorized = /status of 40[013]/;

  test('users log in, see what they may, and are told what they may not', async () => {
    const page = await open(url, certificate);
    await page.getByLabel('User').fill('ann');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await expectText(page.getByRole('alert').last(), 'authentication failed, invalid user ID or password');
    await page.getByLabel('Password').fill('annpw');
    await page.getByRole('button', { name: 'Log in' }).click();
    await expectText(page.locator('.user'), 'ann');
    // The other member wants a certificate, and to know who asks.
    await expect.poll(() => rows(page, 'Members').locator('.dot.good').count(), SOON).toBe(2);

    await page.getByRole('link', { name: 'Keys' }).click();
    await page.getByLabel('Prefix').fill('/mine/');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByRole('button', { name: '/mine/a' }).click();
    await expectText(page.locator('pre'), 'for ann');
    await page.getByLabel('Prefix').fill('/secret/');
    await page.getByRole('button', { name: 'Show' }).click();
    await expectText(page.getByRole('region', { name: 'Keys' }).getByRole('alert'), 'permission denied');
    expect(await rows(page, 'Keys').count()).toBe(0);

    expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])')).toBe('[{},{},""]');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Password').waitFor();
    // The browser itself reports each answer that says no.
    forgive(page, unauthorized);
  });

  test('a token that is not good any more leads back to the login', async () => {
    await root.addUser('bob', 'bobpw');
    const page = await open(url, certificate);
    await page.getByLabel('User').fill('bob');
    await page.getByLabel('Password').fill('bobpw');
    await page.getByRole('button', { name: 'Log in' }).click();
    await expect.poll(() => rows(page, 'Members').count(), SOON).toBe(2);
    await root.call('UserDelete', { name: 'bob' });
    await page.getByLabel('Password').waitFor();
    forgive(page, unauthorized);
  });
});

describe('where it is', () => {
  test('nowhere, unless it is asked for', async () => {
    const server = await startQuorate({ readyTimeoutMs });
    try {
      for (const path of ['/ui', '/ui/', '/ui/app.js', '/ui/api/cluster']) {
        expect(await http(server.clientUrl + path)).toMatchObject({ status: 404 });
      }
    } finally {
      await server.stop();
    }
  });

  test.runIf(hasBrowser())('on metrics URLs too, and without the gateway: but for keys', async () => {
    const metrics = `http://127.0.0.1:${await freePort()}`;
    const flags = ['--enable-ui', '--enable-grpc-gateway=false', `--listen-metrics-urls=${metrics}`];
    const server = await startQuorate({ flags, readyTimeoutMs });
    try {
      for (const base of [metrics, server.clientUrl]) {
        const page = await open(`${base}/ui/`);
        await expect.poll(() => rows(page, 'Members').count(), SOON).toBe(1);
        await page.getByRole('link', { name: 'Keys' }).click();
        await expectText(page.locator('.notice'), '--enable-grpc-gateway');
      }
    } finally {
      await Promise.all(opened.map(({ page }) => page.goto('about:blank')));
      await server.stop();
    }
  });
});

function picture(chart: Locator): Promise<string> {
  return chart.locator('canvas').evaluate((canvas: unknown) => (canvas as { toDataURL(): string }).toDataURL());
}
