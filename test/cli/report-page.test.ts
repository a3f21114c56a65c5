/** The HTML report in a real browser: what it shows against the JSON, how it looks, and what it does with hostile names. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countWords, sizeWords, timesWords, timeWords } from '../../src/cli/render/copyup-words.js';
import type { CopyUpProfile } from '../../src/copyup/profile.js';
import type { CopyUpReport } from '../../src/copyup/report.js';
import { hasChromium, startChromium } from '../helpers/chromium.js';
import { runCli } from '../helpers/cli-run.js';
import { copied, profileOf, shopProfile } from '../helpers/copyup-profile.js';

const title = hasChromium
  ? 'the HTML report in Chromium'
  : 'the HTML report in Chromium (skipped: not installed)';

describe.skipIf(!hasChromium)(title, () => {
  let directory: string;
  let browser: Browser;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-report-'));
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  interface Shown {
    readonly page: Page;
    readonly report: CopyUpReport;
    readonly bytes: number;
    /** Everything the page asked for, and everything that went wrong in it. */
    readonly requests: string[];
    readonly problems: string[];
  }

  /** Writes the profile, makes both reports with the command, and opens the page. */
  async function show(profile: CopyUpProfile, ...flags: string[]): Promise<Shown> {
    const file = join(directory, 'profile.json');
    const html = join(directory, 'report.html');
    writeFileSync(file, JSON.stringify(profile));
    const json = await runCli(directory, 'copyup', 'report', file, '--format', 'json');
    const made = await runCli(directory, 'copyup', 'report', file, '--format', 'html', '-o', html, ...flags);
    expect({ ...made, json: json.code }).toEqual({ code: 0, out: '', err: '', json: 0 });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(10_000);
    const requests: string[] = [];
    const problems: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => problems.push(message.text()));
    page.on('dialog', (dialog) => problems.push(`dialog ${dialog.message()}`));
    await page.goto(pathToFileURL(html).href);
    // The charts are drawn once their widths are known, before the second frame from now.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    return {
      page,
      report: JSON.parse(json.out) as CopyUpReport,
      bytes: statSync(html).size,
      requests,
      problems,
    };
  }

  const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allTextContents();

  /** Elements that reach beyond the window to the right, or hold text wider than themselves without clipping it. */
  const overflowing = (page: Page): Promise<string[]> =>
    page.evaluate(`[...document.querySelectorAll('body, body *')].filter((at) => {
      const { right, left, width } = at.getBoundingClientRect();
      return width > 0 && (right > innerWidth + 0.5 || left < -0.5) ||
        at.scrollWidth > at.clientWidth + 1 && getComputedStyle(at).overflowX === 'visible' && getComputedStyle(at).display !== 'inline' && at.clientWidth > 0;
    }).map((at) => at.outerHTML.slice(0, 120))`);

  it('shows the numbers of the JSON and asks the network for nothing', async () => {
    const { page, report, requests, problems, bytes } = await show(shopProfile());
    const { totals, runShare, created } = report.summary;
    expect(await texts(page, '.tile .figure')).toEqual([
      sizeWords(totals.bytes),
      sizeWords(totals.changed!),
      timesWords(totals.amplification!),
      timeWords(totals.waitedMs!),
      `${(runShare! * 100).toFixed(1)}%`,
      countWords(created.files, 'file'),
    ]);
    expect(await page.textContent('#matches')).toBe(
      `${countWords(totals.files, 'file')}, ${sizeWords(totals.bytes)} copied`,
    );
    const cells = await page
      .locator('#treemap .leaf')
      .evaluateAll((all) => all.map((cell) => Number(cell.getAttribute('data-bytes'))));
    // A cell of a few KB among hundreds of MB would be thinner than a pixel.
    expect(cells.reduce((sum, cell) => sum + cell, 0) / totals.bytes).toBeCloseTo(1, 3);
    expect(await page.textContent('#crumbs')).toBe(`/ ${sizeWords(totals.bytes)}`);
    expect(await page.locator('#timeline rect.copy').count()).toBe(report.files.length);
    expect((await texts(page, '#table tbody td.path')).slice(0, 3)).toEqual(
      report.files.slice(0, 3).map(({ path }) => path),
    );
    expect((await texts(page, '#legend li')).map((text) => text.split(' · ')[1])).toEqual(
      report.summary.byLayer.map((layer) => sizeWords(layer.bytes)),
    );
    expect(await texts(page, '#advices code')).toEqual(report.advice.map(({ command }) => command));
    expect(requests).toEqual([page.url()]);
    expect(problems).toEqual([]);
    expect(bytes).toBeLessThan(150_000);
    await page.close();
  });

  it('forbids the network by its policy', async () => {
    const { page } = await show(profileOf([]));
    const blocked = page.evaluate(`new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
      fetch('http://127.0.0.1:9/').catch(() => {});
    })`);
    expect(await blocked).toBe('connect-src');
    await page.close();
  });

  const hostile = [
    '</script><script>globalThis.owned=1</script>',
    '<img src=x onerror=globalThis.owned=1>',
    '"><svg onload=globalThis.owned=1>',
    "'; alert(1) //",
    'line\u2028separator\u2029',
    'new\nline\x1b[31m\u202egnp.exe',
    '<!--<script>',
    'x'.repeat(250),
  ];
  const hostileProfile = () =>
    profileOf(
      hostile.map((name, n) =>
        copied(`/srv/${name}/${name}`, (n + 1) * 20_000_000, {
          ...{ command: name, pid: n, layer: n % 4, startMs: n, durationMs: 100, cause: 'chown' },
          changed: { block4k: n, block64k: n },
        }),
      ),
      {
        container: { id: 'a'.repeat(64), name: hostile[0]!, image: hostile[1]!, imageID: '' },
        layers: hostile.slice(0, 4).map((createdBy) => ({ cacheID: 'x', createdBy })),
      },
    );

  it('shows hostile names as text', async () => {
    const { page, requests, problems } = await show(hostileProfile());
    expect(await page.evaluate('globalThis.owned')).toBeUndefined();
    expect(await page.locator('img, main script, svg[onload]').count()).toBe(0);
    expect(await page.textContent('h1')).toBe(hostile[0]);
    const paths = await texts(page, '#table tbody td.path');
    expect(paths).toContain(`/srv/${hostile[0]}/${hostile[0]}`);
    expect(paths).toContain('/srv/new\\nline\\x1b[31m\\u{202e}gnp.exe/new\\nline\\x1b[31m\\u{202e}gnp.exe');
    expect(requests).toHaveLength(1);
    expect(problems).toEqual([]);
    await page.close();
  });

  it.each([
    ['realistic', shopProfile],
    ['hostile', hostileProfile],
  ] as const)(
    'has nothing overflow at 1280 and 400 px, in dark and light, with %s names',
    async (_names, make) => {
      const { page, problems } = await show(make());
      for (const width of [1280, 400]) {
        await page.setViewportSize({ width, height: 900 });
        const drawn = `document.querySelector('#timeline svg').viewBox.baseVal.width ===
          document.querySelector('#timeline').clientWidth`;
        // Not waitForFunction, which asks again by eval(): the page's policy forbids that.
        await expect.poll(() => page.evaluate<boolean>(drawn)).toBe(true);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await overflowing(page)).toEqual([]);
          expect(await lowContrast(page)).toEqual([]);
          const lightness = Number(
            (await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')).match(/\d+/)![0],
          );
          expect(lightness > 128).toBe(colorScheme === 'light');
        }
      }
      expect(problems).toEqual([]);
      await page.close();
    },
  );

  it("begins with the command's order", async () => {
    const { page } = await show(shopProfile(), '--sort', 'time');
    expect(await page.locator('th[aria-sort]').textContent()).toBe('Waited');
    await page.close();
  });

  it('sorts, filters and answers the keyboard', async () => {
    const { page, report } = await show(shopProfile());
    const first = () => page.locator('#table tbody td.path').first().textContent();
    await page.locator('#table th button', { hasText: 'Waited' }).click();
    const byTime = report.files.toSorted((a, b) => b.durationMs! - a.durationMs!);
    expect(await first()).toBe(byTime[0]!.path);
    await page.locator('#table th button', { hasText: 'Waited' }).press('Enter');
    expect(await first()).toBe(byTime.at(-1)!.path);
    expect(await page.locator('th[aria-sort]').textContent()).toBe('Waited');
    await page.fill('#filter-text', 'NGINX');
    expect(await page.textContent('#matches')).toBe('2 files, 4.26MB copied');
    await page.fill('#filter-text', '');
    await page.selectOption('#filter-cause', 'chown');
    expect(await page.textContent('#matches')).toMatch(/^60 files/);
    expect(await page.textContent('#more')).toBe('Show 25 more of 60');

    await page.locator('#treemap [tabindex="0"]').focus();
    const name = await page.locator('#treemap :focus').getAttribute('aria-label');
    expect(name).toMatch(/^var\n/);
    await page.keyboard.press('Enter');
    expect(await texts(page, '#crumbs button')).toEqual(['/ 716MB', 'var 488MB']);
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('#treemap :focus').getAttribute('aria-label')).not.toBe(name);
    await page.keyboard.press('Escape');
    expect(await texts(page, '#crumbs button')).toEqual(['/ 716MB']);
    await page.check('#map-by [value=layer]');
    expect(await texts(page, '#crumbs button')).toEqual(['all layers 716MB']);

    await page.locator('#timeline rect[tabindex="0"]').focus();
    await page.keyboard.press('End');
    expect(await page.textContent('#tip')).toContain('waited');
    await page.keyboard.press('Enter');
    expect(await page.locator('#table tbody tr').count()).toBe(1);
    await page.close();
  });

  it('adds up what is too much for a page, and says so', async () => {
    const files = Array.from({ length: 20_000 }, (_, n) =>
      copied(`/opt/app/${n % 500}/module-${n}.py`, 1000 + n, {
        ...{ startMs: n / 4, durationMs: 0.2, layer: n % 2, command: 'python3', pid: 7 },
        changed: { block4k: 0, block64k: 0 },
      }),
    );
    const { page, report, bytes, problems } = await show(profileOf(files));
    expect(bytes).toBeLessThan(600_000);
    expect(await page.textContent('.notice')).toContain('18500 least costly files are added up');
    expect(await page.textContent('#matches')).toBe(
      `20000 files, ${sizeWords(report.summary.totals.bytes)} copied`,
    );
    expect(problems).toEqual([]);
    await page.close();
  });

  it('does without times where the profile has none', async () => {
    const { durationMs: _watched, ...upper } = profileOf([copied('/var/a/b', 5000, { cause: 'unknown' })], {
      source: 'upper',
    });
    const { page, problems } = await show(upper);
    expect(await page.textContent('#timeline')).toContain('keeps no times');
    expect(await texts(page, '#table th')).toEqual(['Path', 'Copied']);
    expect(problems).toEqual([]);
    await page.close();
  });
});

/** Text with less than WCAG's 4.5 to 1 against the opaque background behind it. */
const lowContrast = (page: Page): Promise<string[]> =>
  page.evaluate(`(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const behind = (at) => {
      for (; at !== null; at = at.parentElement) {
        const colour = rgba(getComputedStyle(at).backgroundColor);
        if (colour[3] === 255) return colour;
      }
      return [255, 255, 255];
    };
    const light = (colour) => colour.slice(0, 3)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const texts = [...document.querySelectorAll('body *:not(script, noscript, option, svg *)')]
      .filter((at) => [...at.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== ''));
    return texts.flatMap((at) => {
      const [a, b] = [light(rgba(getComputedStyle(at).color)), light(behind(at))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      return ratio < 4.5 ? [ratio.toFixed(2) + ' ' + at.outerHTML.slice(0, 100)] : [];
    }).slice(0, 5);
  })()`);
