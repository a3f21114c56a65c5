import { describe, expect, it } from 'vitest';
import { summarise } from '../../src/copyup/summary.js';
import { copied, profileOf, shopProfile } from '../helpers/copyup-profile.js';

const MIB = 2 ** 20;

describe('summary', () => {
  it('adds up: every grouping to the totals', () => {
    const profile = shopProfile();
    const summary = summarise(profile);
    const { totals } = summary;
    expect(totals.files).toBe(profile.files.length);
    expect(totals.bytes).toBe(profile.files.reduce((sum, file) => sum + file.bytes, 0));
    for (const groups of [summary.byLayer, summary.byDirectory, summary.byCommand, summary.byCause]) {
      const sum = (figure: (group: (typeof groups)[number]) => number | undefined) =>
        groups.reduce((total, group) => total + (figure(group) ?? 0), 0);
      expect(sum((group) => group.files)).toBe(totals.files);
      expect(sum((group) => group.bytes)).toBe(totals.bytes);
      expect(sum((group) => group.changed)).toBe(totals.changed);
      expect(sum((group) => group.compared)).toBe(totals.compared);
      expect(sum((group) => group.waitedMs)).toBeCloseTo(totals.waitedMs!, 6);
      expect(groups.map((group) => group.bytes)).toEqual(
        groups.map((group) => group.bytes).toSorted((a, b) => b - a),
      );
    }
  });

  it('reads a 2 GiB file with one page changed as 524288 times', () => {
    const file = copied('/db', 2048 * MIB, { changed: { block4k: 4096, block64k: 65_536 } });
    expect(summarise(profileOf([file])).totals.amplification).toBe(524_288);
  });

  it('says null where nothing changed and leaves out what was not compared', () => {
    const same = copied('/a', MIB, { changed: { block4k: 0, block64k: 0 } });
    expect(summarise(profileOf([same])).totals.amplification).toBeNull();
    const { totals } = summarise(profileOf([same, copied('/b', MIB)]));
    expect(totals).toEqual({ files: 2, bytes: 2 * MIB, compared: MIB, changed: 0, amplification: null });
  });

  it.each([
    [
      'apart',
      [
        [0, 10],
        [20, 10],
      ],
      20,
      0.2,
    ],
    [
      'at the same time',
      [
        [0, 10],
        [5, 10],
      ],
      15,
      0.15,
    ],
    [
      'one within the other',
      [
        [0, 30],
        [5, 5],
      ],
      30,
      0.3,
    ],
    ['beyond the end of the watch', [[0, 150]], 150, 1],
  ] as const)('counts waits %s once', (_name, spans, busyMs, runShare) => {
    const files = spans.map(([startMs, durationMs], n) => copied(`/${n}`, 1, { startMs, durationMs }));
    expect(summarise(profileOf(files, { durationMs: 100 }))).toMatchObject({ busyMs, runShare });
  });

  it('knows no time, process or share from the upper directory alone', () => {
    const { durationMs: _watched, ...upper } = profileOf([copied('/var/x/y', 10)], { source: 'upper' });
    expect(summarise(upper)).toEqual({
      totals: { files: 1, bytes: 10 },
      created: { files: 2, bytes: 52 },
      byLayer: [{ files: 1, bytes: 10 }],
      byDirectory: [{ directory: '/var/x', files: 1, bytes: 10 }],
      byCommand: [{ files: 1, bytes: 10, processes: 0 }],
      byCause: [{ cause: 'open', files: 1, bytes: 10 }],
    });
  });
});
