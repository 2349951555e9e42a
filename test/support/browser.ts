/** A real browser for tests: Debian's chromium, driven by playwright-core. */
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

export const NO_BROWSER = `there is no ${CHROMIUM} (apt-get install chromium)`;

/** On CI a missing browser is no reason to leave anything out. */
export function hasBrowser(): boolean {
  return process.env['CI'] === 'true' || existsSync(CHROMIUM);
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    timeout: 90_000,
    // Containers run tests as root, have a small /dev/shm and no graphics card.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--hide-scrollbars'],
    chromiumSandbox: false,
  });
}
