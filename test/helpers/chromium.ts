/** A headless Chromium (Debian's package) for pages of our own making. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATH = '/usr/bin/chromium';

export const hasChromium = existsSync(PATH);

/** Root has no sandbox of Chromium's. */
export const startChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: PATH,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    timeout: 60_000,
  });
