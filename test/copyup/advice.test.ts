/** Each rule just below and just above its threshold. */
import { describe, expect, it } from 'vitest';
import { type AdviceRule, advise } from '../../src/copyup/advice.js';
import type { CopiedFile, CopyUpProfile } from '../../src/copyup/profile.js';
import { writtenDirectories } from '../../src/copyup/written-directories.js';
import { copied, profileOf, shopProfile } from '../helpers/copyup-profile.js';

const MIB = 2 ** 20;
const pages = (count: number) => ({ block4k: count * 4096, block64k: count * 65_536 });
const many = (count: number, file: Partial<CopiedFile>): CopiedFile[] =>
  Array.from({ length: count }, (_, n) => copied(`/srv/small/${n}`, 4096, { startMs: 10 * n, ...file }));

const table: [name: string, files: CopiedFile[], rules: AdviceRule[], more?: Partial<CopyUpProfile>][] = [
  ['nothing copied', [], []],
  ['a small write', [copied('/srv/a/b', MIB)], []],
  ['chmod of less than 1 MiB', [copied('/opt/x/y', MIB - 1, { cause: 'chmod' })], []],
  ['chmod of 1 MiB', [copied('/opt/x/y', MIB, { cause: 'chmod' })], ['image']],
  [
    'a small chown that waited 50 ms',
    [copied('/opt/x/y', 1, { cause: 'chown', startMs: 0, durationMs: 50 })],
    ['image'],
  ],
  [
    'chown of a directory, which copies no data',
    [copied('/opt/x', 0, { cause: 'chown', kind: 'directory' })],
    [],
  ],
  ['xattr of 63 MiB', [copied('/opt/x/y', 63 * MIB, { cause: 'xattr' })], ['image']],
  ['chown of 64 MiB', [copied('/opt/x/y', 64 * MIB, { cause: 'chown' })], ['image', 'metacopy']],
  [
    'chown of 64 MiB beside 300 MiB of writes',
    [copied('/opt/x/y', 64 * MIB, { cause: 'chown' }), copied('/srv/d/f', 300 * MIB)],
    ['image', 'volume'],
  ],
  ['writes of less than 16 MiB', [copied('/srv/d/f', 16 * MIB - 1)], []],
  ['writes of 16 MiB', [copied('/srv/d/f', 16 * MIB)], ['volume']],
  ['writes of 16 MiB below /usr', [copied('/usr/lib/x/f', 16 * MIB)], []],
  ['writes of 16 MiB directly in /var/lib', [copied('/var/lib/f', 16 * MIB)], []],
  ['writes of 16 MiB that are gone', [copied('/srv/d/f', 16 * MIB, { gone: true })], []],
  ['64 MiB of which 1/64 changed', [copied('/etc/big', 64 * MIB, { changed: pages(256) })], ['split']],
  ['64 MiB of which more changed', [copied('/etc/big', 64 * MIB, { changed: pages(257) })], []],
  ['64 MiB not compared', [copied('/etc/big', 64 * MIB)], []],
  ['a wait of 49 ms', [copied('/etc/a', MIB, { startMs: 0, durationMs: 49 })], [], { durationMs: 100 }],
  ['a wait of 50 ms', [copied('/etc/a', MIB, { startMs: 0, durationMs: 50 })], ['warm'], { durationMs: 100 }],
  [
    'a wait of 50 ms in a long run',
    [copied('/etc/a', MIB, { startMs: 0, durationMs: 50 })],
    [],
    { durationMs: 5001 },
  ],
  ['49 small files at 1 ms', many(49, { durationMs: 1 }), []],
  ['50 small files at 0.9 ms', many(50, { durationMs: 0.9 }), []],
  ['50 small files at 1 ms', many(50, { durationMs: 1 }), ['volatile'], { durationMs: 60_000 }],
];

describe('advice', () => {
  it.each(table)('%s', (_name, files, rules, more = {}) => {
    expect(advise(profileOf(files, more)).map(({ rule }) => rule)).toEqual(rules);
  });

  it('names paths and commands', () => {
    const advice = advise(shopProfile());
    expect(advice.map(({ rule, where, command }) => [rule, where, command])).toEqual([
      ['image', 'Dockerfile', 'COPY --chown=USER:GROUP SOURCE /usr/share/shop/static/'],
      ['volume', 'shell', 'gantry run -v shop-main:/var/lib/postgresql/15/main registry.local/shop:2.4'],
      ['volume', 'shell', 'gantry run -v shop-search:/srv/search registry.local/shop:2.4'],
      ['split', 'shell', 'gantry copyup report shop --sort amplification'],
      ['warm', 'shell', 'gantry copyup warm --from c0ffee000000 CONTAINER'],
      ['volatile', 'shell', 'gantry run --volatile registry.local/shop:2.4'],
    ]);
    for (const { paths, because } of advice) {
      expect(paths.length).toBeGreaterThan(0);
      expect(paths.length).toBeLessThanOrEqual(5);
      expect(because.bytes).toBeGreaterThan(0);
    }
  });

  it('quotes what a container chose', () => {
    const files = [copied('/srv/a b\n$(reboot)/f', 20 * MIB, { startMs: 0, durationMs: 90 })];
    const commands = advise(profileOf(files)).map(({ command }) => command);
    expect(commands).toEqual([
      "gantry run -v $'shop-a-b-reboot-:/srv/a b\\x0a\\x24\\x28reboot\\x29' registry.local/shop:2.4",
      "gantry run --warm $'/srv/a b\\x0a\\x24\\x28reboot\\x29/f' registry.local/shop:2.4",
    ]);
  });
});

describe('directories for a volume', () => {
  const found = (...files: CopiedFile[]) => writtenDirectories(files).map(({ directory }) => directory);

  it('are the deepest that hold nearly all', () => {
    const db = '/var/lib/db';
    expect(
      found(
        copied(`${db}/base/1`, 200),
        copied(`${db}/wal/0`, 100),
        copied('/srv/x', 1),
        copied('/etc/a/b/c', 9),
      ),
    ).toEqual([db, '/srv']);
    expect(found(copied('/app/data/one/f', 1000), copied('/app/cache.pyc', 1))).toEqual(['/app']);
    expect(found(copied('/app/data/one/f', 1000), copied('/app/lib/cache.pyc', 1))).toEqual([
      '/app/data/one',
    ]);
  });
});
