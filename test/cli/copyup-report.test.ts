/** `gantry copyup report`: its documents, where the profile comes from, and exit codes. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseProfile } from '../../src/copyup/parse-profile.js';
import type { CopyUpReport } from '../../src/copyup/report.js';
import { runCli } from '../helpers/cli-run.js';
import { shopProfile } from '../helpers/copyup-profile.js';

/** What summary.ts and advice.ts document, to the letter. */
const tally = {
  files: v.number(),
  bytes: v.number(),
  waitedMs: v.optional(v.number()),
  compared: v.optional(v.number()),
  changed: v.optional(v.number()),
  amplification: v.optional(v.nullable(v.number())),
};
const addedSchema = v.strictObject({
  summary: v.strictObject({
    totals: v.strictObject(tally),
    busyMs: v.number(),
    runShare: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
    created: v.strictObject({ files: v.number(), bytes: v.number() }),
    byLayer: v.array(v.strictObject({ ...tally, layer: v.optional(v.number()) })),
    byDirectory: v.array(v.strictObject({ ...tally, directory: v.string() })),
    byCommand: v.array(v.strictObject({ ...tally, command: v.optional(v.string()), processes: v.number() })),
    byCause: v.array(v.strictObject({ ...tally, cause: v.string() })),
  }),
  advice: v.array(
    v.strictObject({
      rule: v.picklist(['image', 'metacopy', 'volume', 'split', 'warm', 'volatile']),
      title: v.string(),
      because: v.strictObject({ files: v.number(), bytes: v.number(), waitedMs: v.optional(v.number()) }),
      reason: v.string(),
      paths: v.array(v.string()),
      where: v.picklist(['shell', 'Dockerfile']),
      command: v.string(),
    }),
  ),
  leftOut: v.optional(v.number()),
});

describe('gantry copyup report', () => {
  let root: string;
  let file: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'gantry-report-'));
    file = join(root, 'shop.json');
    writeFileSync(file, JSON.stringify(shopProfile()));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const report = (...args: string[]) => runCli(root, 'copyup', 'report', ...args);

  it('writes the documented JSON, which is a profile again', async () => {
    const { code, out } = await report(file, '--format', 'json');
    expect(code).toBe(0);
    const { summary, advice, ...profile } = JSON.parse(out) as CopyUpReport;
    expect(v.parse(addedSchema, { summary, advice })).toEqual({ summary, advice });
    expect(advice.length).toBeGreaterThan(3);
    const files = profile.files.map(({ amplification: _ratio, ...rest }) => rest);
    expect(files.map(({ bytes }) => bytes)).toEqual(
      files.map(({ bytes }) => bytes).toSorted((a, b) => b - a),
    );
    const { files: before, ...others } = shopProfile();
    expect({ ...profile, files: [] }).toEqual({ ...others, files: [] });
    expect(new Set(files.map((one) => JSON.stringify(one, Object.keys(one).sort())))).toEqual(
      new Set(before.map((one) => JSON.stringify(one, Object.keys(one).sort()))),
    );
    expect(parseProfile(out, 'again').files).toHaveLength(before.length);
  });

  it('cuts files with --top, and says so', async () => {
    const { out } = await report(file, '--format', 'json', '--top', '2', '--sort', 'time');
    const cut = JSON.parse(out) as CopyUpReport;
    expect(cut.files.map(({ durationMs }) => durationMs)).toEqual([231.4, 162.3]);
    expect(cut.leftOut).toBe(69);
    expect(cut.summary.totals.files).toBe(71);
    writeFileSync(file, out);
    const again = await report(file);
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(again.err).toContain('69 files were left out');
  });

  it('finds the profile of a container by name and by id', async () => {
    const profile = shopProfile();
    const { id, name } = profile.container;
    const container = join(root, 'containers', id);
    mkdirSync(container, { recursive: true });
    writeFileSync(
      join(container, 'config.v2.json'),
      JSON.stringify({ ID: id, Name: `/${name}`, Created: '' }),
    );
    mkdirSync(join(root, 'gantry', 'profiles'), { recursive: true });
    writeFileSync(join(root, 'gantry', 'profiles', `${id}.json`), JSON.stringify(profile));
    const whole = await report(file);
    expect(await report(name)).toEqual(whole);
    expect(await report(id.slice(0, 12))).toEqual(whole);
    expect(await report('nobody')).toMatchObject({ code: 1, err: 'gantry: No such container: nobody\n' });
  });

  it('finds the profile of a removed container: the newest of that name, or by id', async () => {
    const profiles = join(root, 'gantry', 'profiles');
    mkdirSync(profiles, { recursive: true });
    for (const [at, digit] of ['a', 'b'].entries()) {
      const profile = shopProfile();
      const id = digit.repeat(64);
      const kept = join(profiles, `${id}.json`);
      writeFileSync(kept, JSON.stringify({ ...profile, container: { ...profile.container, id } }));
      utimesSync(kept, at, 1000 - at);
    }
    const idOf = async (name: string) =>
      (JSON.parse((await report('--format', 'json', name)).out) as CopyUpReport).container.id;
    expect(await idOf('shop')).toBe('a'.repeat(64));
    expect(await idOf('bbbb')).toBe('b'.repeat(64));
    writeFileSync(join(profiles, `${'b'.repeat(63)}c.json`), JSON.stringify(shopProfile()));
    expect(await report('bbbb')).toMatchObject({
      code: 1,
      err: expect.stringContaining('multiple profiles'),
    });
    expect(await report('nobody')).toMatchObject({ code: 1, err: 'gantry: No such container: nobody\n' });
  });

  it('exits with 2 over a limit, and with 0 within it', async () => {
    expect(await report(file, '--fail-over', '1GB', '--fail-over', '1s')).toMatchObject({ code: 0, err: '' });
    expect(await report(file, '--fail-over', '1GB', '--fail-over', '250ms')).toMatchObject({
      code: 2,
      err: 'gantry: 777ms were waited for copy-ups, more than the limit of 250ms\n',
    });
    expect(await report(file, '--fail-over', '100MB', '--fail-over', '250ms')).toMatchObject({ code: 2 });
    const { code, err } = await report(file, '--fail-over', '100');
    expect(code).toBe(125);
    expect(err).toContain('expected bytes or a time with its unit, such as 100MB, 64MiB or 250ms');
  });

  it('writes to a file, through a link, and never over what is none', async () => {
    const target = join(root, 'target.json');
    writeFileSync(target, 'before');
    symlinkSync(target, join(root, 'link'));
    expect(await report(file, '--format', 'json', '-o', join(root, 'link'))).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect(JSON.parse(readFileSync(target, 'utf8')).schema).toBe('gantry.copyup/1');
    const refused = await report(file, '-o', root);
    expect(refused).toMatchObject({ code: 1, err: `gantry: ${root}: not a regular file\n` });
  });

  it.each([
    [['--format', 'xml'], `invalid format: 'xml': must be one of "table", "json" or "html"`],
    [['--sort', 'name'], `invalid sort order: 'name': must be one of "bytes", "time" or "amplification"`],
    [['--top', '-1'], 'expected a number from 0 on'],
  ])('refuses %j', async (flags, message) => {
    const { code, err } = await report(file, ...flags);
    expect(code).toBe(125);
    expect(err).toContain(message);
  });

  it('tells what is wrong with a file', async () => {
    expect(await report('./nothing.json')).toMatchObject({
      code: 1,
      err: "gantry: ./nothing.json: no such file\n  cause: ENOENT: no such file or directory, stat './nothing.json'\n",
    });
    writeFileSync(file, '{"schema":"gantry.copyup/1"');
    expect((await report(file)).err).toContain(`${file}: not valid JSON`);
  });
});
