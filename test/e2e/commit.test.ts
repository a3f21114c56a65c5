/**
 * commit, diff and export judged by a real dockerd on the same root: a container that dockerd made and ran is diffed and
 * committed by both; then dockerd lists, saves and runs what gantry committed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { dockerdPresent, savedLayers, withDockerd } from '../helpers/dockerd.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { readTar } from '../helpers/read-tar.js';
import { damagedLayers, inconsistencies } from '../helpers/store-check.js';
import { busyboxRootfs, whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? (dockerdPresent ? undefined : 'needs dockerd');

const SETUP = `
  mkdir -p t/kept t/wiped/sub t/gone/deep t/sub t/perm t/touched; echo a >t/file; echo b >t/kept/b; echo c >t/wiped/c
  echo s >t/wiped/sub/s; echo d >t/gone/deep/d; echo m >t/mode; echo x >t/to-dir; mkdir t/to-file; echo y >t/to-file/y
  ln -s file t/link; echo 1 >t/sub/1; echo 2 >t/sub/2; echo o >t/opened; echo both >t/wiped/both`;
const CHANGES = `
  busybox ln -s x /t/new-link; echo more >>/t/file; busybox rm /t/kept/b; busybox rm -r /t/wiped; mkdir -p /t/wiped/sub; echo n >/t/wiped/n
  echo other >/t/wiped/both; busybox rm -r /t/gone; busybox chmod 700 /t/mode; busybox rm /t/to-dir; mkdir /t/to-dir; echo i >/t/to-dir/in
  busybox rm -r /t/to-file; echo f >/t/to-file; busybox rm /t/link; mkdir -p /t/new/deep/er; echo deep >/t/new/deep/er/file
  busybox chmod 711 /t/perm; touch /t/touched/x; busybox rm /t/touched/x; echo 1 >/t/sub-x; echo 3 >/t/sub/3; busybox rm /t/sub/1
  busybox mkfifo /t/fifo; busybox ln /t/new/deep/er/file /t/hard; busybox mknod /t/null c 1 3; busybox chown 12 /t/sub/2
  busybox truncate -s 3000000 /t/hole; busybox rm /etc/mtab; echo h >/t/.hidden; : <>/t/opened`;

describe.skipIf(why !== undefined)(`commit, diff and export${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-commit-'));
  const root = join(dir, 'root');
  const gantry = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [GANTRY, '--root', root, ...args], {
      maxBuffer: 2 ** 28,
    });
    return { code: status, out: stdout.toString(), bytes: stdout, err: stderr.toString() };
  };
  const ok = (...args: string[]): string => {
    const { code, out, err } = gantry(...args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return out;
  };
  const configOf = (image: string) => {
    const store = openStore(root);
    return store.images.get(store.tags.get(image)!)!.config;
  };
  const theirs = { diff: '', history: '', config: {} as Record<string, unknown>, listing: '' };
  const LIST =
    'cd /; busybox find . -xdev -not -path "./proc*" -not -path "./sys*" -not -path "./dev*" -not -path "./etc/*" | busybox sort | busybox xargs busybox stat -c "%n %F %a %u %g %s"';

  beforeAll(async () => {
    const files = join(dir, 'files');
    mkdirSync(files);
    busyboxRootfs(files);
    execFileSync('bash', ['-ec', SETUP], { cwd: files });
    execFileSync('tar', ['--xattrs', '-cf', join(dir, 'base.tar'), '-C', files, '.']);
    await withDockerd({ directory: dir, root }, (docker) => {
      docker('import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin A=1', join(dir, 'base.tar'), 'base:1');
      docker('run', '--name', 'ops', '--network', 'none', 'base:1', 'sh', '-c', CHANGES);
      theirs.diff = docker('diff', 'ops');
      docker(
        'commit',
        '-a',
        'Ann',
        '-m',
        'why',
        '-c',
        'ENV B="two words"',
        '-c',
        'EXPOSE 80',
        'ops',
        'theirs:1',
      );
      theirs.history = docker('history', '--no-trunc', '--format', '{{.CreatedBy}}|{{.Comment}}', 'theirs:1');
      [{ Config: theirs.config }] = JSON.parse(docker('inspect', 'theirs:1'));
      theirs.listing = docker('run', '--rm', '--network', 'none', 'theirs:1', 'sh', '-c', LIST);
    });
  }, 120_000);
  afterAll(() => {
    for (const { ID } of JSON.parse(
      `[${gantry('ps', '-aq', '--format', 'json').out.trim().split('\n').join(',')}]`,
    ))
      gantry('rm', '-f', ID);
    rmSync(runDirectory(root), { recursive: true, force: true });
    rmSync(dir, { recursive: true, force: true });
  });

  it('diff tells what docker diff tells, in order', () => {
    const sorted = theirs.diff
      .split('\n')
      .sort((a, b) => Buffer.compare(Buffer.from(a.slice(2)), Buffer.from(b.slice(2))));
    const told = ok('diff', 'ops').trimEnd().split('\n');
    // Copied up by an open for writing, not written: docker 20.10 compares sizes and times, and does not tell it.
    expect(told).toContain('C /t/opened');
    expect(told.filter((line) => line !== 'C /t/opened')).toEqual(sorted);
  });
  it('commits what docker commits', () => {
    const id = ok(
      'commit',
      '-a',
      'Ann',
      '-m',
      'why',
      '-c',
      'ENV B="two words"',
      '-c',
      'EXPOSE 80',
      'ops',
      'mine:1',
    );
    expect(id).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(ok('history', '--no-trunc', '--format', '{{.CreatedBy}}|{{.Comment}}', 'mine:1').trim()).toBe(
      theirs.history,
    );
    const mine = configOf('mine:1');
    expect(mine.author).toBe('Ann');
    for (const key of ['Env', 'Cmd', 'ExposedPorts'])
      expect([key, mine.config?.[key]]).toEqual([key, theirs.config[key]]);
    expect(ok('run', '--rm', 'mine:1', 'sh', '-c', LIST).trim()).toBe(theirs.listing);
    expect(inconsistencies(root)).toEqual([]);
  });
  it('dockerd lists, saves and runs it', async () => {
    const { rootfs } = configOf('mine:1');
    await withDockerd({ directory: dir, root }, (docker) => {
      expect(savedLayers(docker, 'mine:1', join(dir, 'saved'))).toEqual(rootfs.diff_ids);
      expect(docker('run', '--rm', '--network', 'none', 'mine:1', 'sh', '-c', LIST)).toBe(theirs.listing);
    });
    expect(readdirSync(join(dir, 'saved')).length).toBeGreaterThan(0);
    expect(await damagedLayers(root)).toEqual([]);
  }, 120_000);
  it('exports the merged view', () => {
    const { entries } = readTar(gantry('export', 'ops').bytes);
    const names = entries.map(({ name }) => name);
    expect(names).toContain('t/new/deep/er/file');
    expect(names).not.toContain('t/link');
    expect(names.some((name) => name.includes('.wh.') || name === './')).toBe(false);
    expect(entries.find(({ name }) => name === 't/file')?.content.toString()).toBe('a\nmore\n');
    const file = join(dir, 'export.tar');
    ok('export', '-o', file, 'ops');
    expect(readTar(readFileSync(file)).entries.length).toBe(entries.length);
    expect(gantry('export', '-o', '/dev/null', 'ops')).toMatchObject({ code: 1 });
    writeFileSync(file, '');
  });
});
