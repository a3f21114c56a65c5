import { describe, expect, it } from 'vitest';
import { reportRows } from '../../src/copyup/report-rows.js';
import { tally } from '../../src/copyup/summary.js';
import { copied } from '../helpers/copyup-profile.js';

describe('rows of a report', () => {
  const files = Array.from({ length: 90 }, (_, n) =>
    copied(`/srv/${n % 6}/${n}`, 1000 + n, {
      ...{ layer: n % 2, startMs: 10 * n, durationMs: n === 5 ? 900 : 1 },
      changed: { block4k: n, block64k: 2 * n },
    }),
  );

  it('are the files where they fit', () => {
    const rows = reportRows(files);
    expect(rows.map(({ path, bytes }) => [path, bytes])).toEqual(
      files.map(({ path, bytes }) => [path, bytes]),
    );
    expect(rows.every(({ count }) => count === undefined)).toBe(true);
  });

  it('keep what cost most, in bytes or in time, and every total', () => {
    const rows = reportRows(files, { single: 20, groups: 4 });
    const lumps = rows.filter(({ count }) => count !== undefined);
    expect(rows.length - lumps.length).toBe(20);
    expect(lumps).toHaveLength(5);
    expect(rows.map(({ path }) => path)).toContain('/srv/5/5');
    const sum = (figure: (row: (typeof rows)[number]) => number) =>
      rows.reduce((total, row) => total + figure(row), 0);
    const { bytes, waitedMs, changed, compared } = tally(files);
    expect(sum((row) => row.count ?? 1)).toBe(90);
    expect(sum((row) => row.bytes)).toBe(bytes);
    expect(sum((row) => row.waitedMs!)).toBe(waitedMs);
    expect(sum((row) => row.compared!)).toBe(compared);
    expect(sum((row) => row.changed!.block4k)).toBe(changed);
    expect(lumps.at(-1)).toMatchObject({ path: '/' });
    for (const { path, startMs, endMs, layer } of lumps.slice(0, -1)) {
      expect(path).toMatch(/^\/srv\/\d\/$/);
      expect(layer).toBe(Number(path[5]) % 2);
      const members = files.filter((file) => file.path.startsWith(path));
      expect(startMs).toBeGreaterThanOrEqual(Math.min(...members.map((file) => file.startMs!)));
      expect(endMs).toBeLessThanOrEqual(Math.max(...members.map((file) => file.startMs! + file.durationMs!)));
    }
  });
});
