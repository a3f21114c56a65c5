import { describe, expect, it } from 'vitest';
import { renderCopyUpReport } from '../../../src/cli/render/copyup-report.js';
import { copied, profileOf, shopProfile } from '../../helpers/copyup-profile.js';

const all = { sort: 'bytes', top: 0 } as const;
/** The files' rows, by the last cell. */
const paths = (text: string) =>
  text.split('\n').flatMap((line) => /\b(?:open|chown)\b.* (\/\S+)/.exec(line)?.[1] ?? []);

describe('the copy-up report on a terminal', () => {
  it('tells totals, files, groups and advice', () => {
    const text = renderCopyUpReport(shopProfile(), { sort: 'bytes', top: 2 });
    expect(text.split('\n').slice(0, 9)).toEqual([
      'Copy-ups of shop (registry.local/shop:2.4), traced for 8.12s, exit status 0',
      '',
      'Copied     716MB in 71 files; 4.25MB of the 682MB compared really changed, amplification 160×',
      'Waited     777ms for copies; 9.3% of the run had one under way',
      'Created    2 files, 52B: new ones, nothing was copied for them',
      '',
      'COPIED    CHANGED   AMPLIFIED   TIME      CAUSE     PROCESS           LAYER                          PATH',
      '268MB     12.3kB    21845×      231ms     open      postgres (4021)   2 RUN initdb && load-fixtur…   /var/lib/postgresql/15/main/base/16384/24601',
      '189MB     4.1kB     46080×      162ms     open      indexer (4050)    2 RUN initdb && load-fixtur…   /srv/search/index.sqlite',
    ]);
    expect(text).toContain('… and 69 files more (--top 0 shows all)\n');
    expect(text).toContain('   $ gantry run -v shop-search:/srv/search registry.local/shop:2.4\n');
  });

  it('sorts by bytes, time and amplification', () => {
    const files = [
      copied('/big', 9000, { durationMs: 1, changed: { block4k: 9000, block64k: 9000 } }),
      copied('/slow', 10, { durationMs: 9, changed: { block4k: 5, block64k: 5 } }),
      copied('/same', 20, { durationMs: 2, changed: { block4k: 0, block64k: 0 } }),
      copied('/unknown', 30),
    ];
    const sorted = (sort: 'bytes' | 'time' | 'amplification') =>
      paths(renderCopyUpReport(profileOf(files), { sort, top: 0 }));
    expect(sorted('bytes')).toEqual(['/big', '/unknown', '/same', '/slow']);
    expect(sorted('time')).toEqual(['/slow', '/same', '/big', '/unknown']);
    expect(sorted('amplification')).toEqual(['/same', '/slow', '/big', '/unknown']);
  });

  it('leaves out what the upper directory alone cannot tell', () => {
    const { durationMs: _watched, ...upper } = profileOf([copied('/a', 10, { cause: 'unknown' })], {
      source: 'upper',
      created: [],
    });
    const text = renderCopyUpReport(upper, all);
    expect(text).toContain('from the upper directory alone: no times, causes or processes');
    expect(text).toMatch(/\nCOPIED {4}PATH\n10B {7}\/a\n/);
    expect(text).not.toContain('Waited');
  });

  it('says below 1 of a file that grew by more than was copied for it', () => {
    const grown = copied('/srv/log', 4096, { changed: { block4k: 8192, block64k: 8192 } });
    expect(renderCopyUpReport(profileOf([grown]), all)).toContain('8.19kB really changed, amplification <1×');
  });

  it('says when events were lost, and when nothing was copied', () => {
    const text = renderCopyUpReport(profileOf([], { lost: 3, created: [] }), all);
    expect(text).toContain('Something was missed 3 times (');
    expect(text).toContain('totals are a lower bound.\n');
    expect(text).toContain('Copied     0B in 0 files\n');
  });

  it('prints no control character that a container chose', () => {
    const hostile = '\x1b]0;owned\x07\n\u202e\x9b31m';
    const text = renderCopyUpReport(
      profileOf(
        [
          copied(`/srv/${hostile}/f`, 2 ** 30, {
            command: hostile,
            pid: 1,
            startMs: 1,
            durationMs: 900,
            layer: 0,
          }),
        ],
        {
          container: { id: 'a'.repeat(64), name: hostile, image: hostile, imageID: '' },
          layers: [{ cacheID: 'x', createdBy: hostile }],
        },
      ),
      all,
    );
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).toContain('/srv/\\x1b]0;owned\\x07\\n\\u{202e}\\u{9b}31m/f');
  });
});
