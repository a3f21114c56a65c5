import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { readTar } from '../helpers/read-tar.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`cp${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = temporaryDirectory();
  const root = join(dir.path, 'root');
  const here = join(dir.path, 'here');
  let image: string;

  const call = (args: readonly string[], input: string | Buffer = '') => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [GANTRY, '--root', root, ...args], {
      input,
      cwd: here,
      maxBuffer: 2 ** 28,
    });
    return { code: status, out: stdout.toString(), bytes: stdout, err: stderr.toString() };
  };
  const gantry = (...args: string[]) => call(args);
  const cp = (...args: string[]) => call(['cp', ...args]);
  const ok = (...args: string[]) => expect(cp(...args)).toMatchObject({ code: 0, out: '', err: '' });
  const text = (...path: string[]) => readFileSync(join(here, ...path), 'utf8');
  const mounts = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(root));

  beforeAll(async () => {
    mkdirSync(here);
    image = (await busyboxImage(openStore(root))).id;
    const script = `mkdir -p /tree/sub /tree/empty; echo one >/tree/file; echo two >/tree/sub/two
      busybox ln /tree/file /tree/hard; busybox ln -s file /tree/link; busybox ln -s /tree /to-tree
      busybox ln -s /etc/passwd /absolute; busybox ln -s ../../../../../../etc/hostname /upward
      busybox chown 12:34 /tree/sub/two; busybox chmod 4750 /tree/sub/two; busybox mkfifo /tree/fifo
      echo in-volume >/vol/file; sleep 1000`;
    expect(
      gantry(
        'create',
        '--name',
        'still',
        '-v',
        'vol:/vol',
        image,
        'sh',
        '-c',
        script.replace('sleep 1000', 'true'),
      ).code,
    ).toBe(0);
    expect(gantry('start', '-a', 'still')).toMatchObject({ code: 0, err: '' });
    const live = gantry(
      'run',
      '-d',
      '--name',
      'live',
      '--tmpfs',
      '/scratch',
      '-v',
      'vol2:/vol',
      image,
      'sh',
      '-c',
      script,
    );
    expect(live).toMatchObject({ code: 0, err: '' });
    for (let tries = 0; tries < 100 && cp('live:/vol/file', '-').code !== 0; tries++);
  });
  beforeEach(() => {
    rmSync(here, { recursive: true });
    mkdirSync(here);
  });
  afterAll(() => {
    gantry('rm', '-f', 'live', 'still');
    rmSync(runDirectory(root), { recursive: true, force: true });
    dir.remove();
  });

  describe.each(['still', 'live'])('%s', (name) => {
    const at = (path: string) => `${name}:${path}`;

    it('a file out: to a name, over a file, into a directory', () => {
      ok(at('/tree/file'), 'new');
      expect(text('new')).toBe('one\n');
      ok(at('tree/sub/two'), 'new');
      expect(text('new')).toBe('two\n');
      const { uid, gid, mode } = statSync(join(here, 'new'));
      expect([uid, gid, mode & 0o7777]).toEqual([process.getuid!(), process.getgid!(), 0o4750]);
      mkdirSync(join(here, 'into'));
      ok('-a', at('/tree/sub/two'), 'into/');
      expect(statSync(join(here, 'into/two'))).toMatchObject({ uid: 12, gid: 34 });
      expect(cp(at('/tree/file'), 'nosuch/')).toMatchObject({ code: 1, err: 'gantry: no such directory\n' });
      expect(cp(at('/tree/file'), 'no/such')).toMatchObject({
        code: 1,
        err: `gantry: invalid output path: directory "${here}/no" does not exist\n`,
      });
      expect(cp(at('/nosuch'), '.')).toMatchObject({
        code: 1,
        err: `gantry: Could not find the file /nosuch in container ${name}\n`,
      });
      expect(cp(at('/tree/file/'), '.').err).toBe('gantry: /tree/file/: not a directory\n');
    });

    it('a directory out: as a new one, into one, its contents', () => {
      ok(at('/tree'), 'new');
      expect(readdirSync(join(here, 'new')).sort()).toEqual(['empty', 'fifo', 'file', 'hard', 'link', 'sub']);
      expect(readlinkSync(join(here, 'new/link'))).toBe('file');
      expect(statSync(join(here, 'new/hard')).ino).toBe(statSync(join(here, 'new/file')).ino);
      expect(lstatSync(join(here, 'new/fifo')).isFIFO()).toBe(true);
      ok(at('/tree'), 'new');
      expect(text('new/tree/sub/two')).toBe('two\n');
      mkdirSync(join(here, 'contents'));
      ok(at('/tree/.'), 'contents');
      expect(text('contents/file')).toBe('one\n');
      writeFileSync(join(here, 'plain'), '');
      expect(cp(at('/tree'), 'plain').err).toBe('gantry: cannot copy directory\n');
      rmSync(join(here, 'contents/sub'), { recursive: true });
      writeFileSync(join(here, 'contents/sub'), '');
      expect(cp(at('/tree/.'), 'contents').err).toBe(
        'gantry: cannot overwrite non-directory "/sub" with directory "sub/"\n',
      );
    });

    it('a link out: itself, what it leads to with -L, and on the way', () => {
      ok(at('/to-tree'), '.');
      expect(readlinkSync(join(here, 'to-tree'))).toBe('/tree');
      ok('-L', at('/to-tree'), 'followed');
      expect(text('followed/file')).toBe('one\n');
      ok(at('/to-tree/sub/two'), 'two');
      expect(text('two')).toBe('two\n');
    });

    it('no link leads out of the container', () => {
      ok('-L', at('/absolute'), 'passwd');
      expect(text('passwd')).toContain('redis:x:999');
      ok('-L', at('/upward'), 'hostname');
      expect(text('hostname')).not.toBe(readFileSync('/etc/hostname', 'utf8'));
      ok(at('/../../../../tree/file'), 'file');
      expect(text('file')).toBe('one\n');
    });

    it('sees volumes, and - is a tar', () => {
      ok(at('/vol/file'), '.');
      expect(text('file')).toBe('in-volume\n');
      const { entries } = readTar(cp(at('/tree'), '-').bytes);
      expect(entries.map(({ name, type }) => `${name} ${type}`)).toEqual([
        'tree/ directory',
        'tree/empty/ directory',
        'tree/fifo fifo',
        'tree/file file',
        'tree/hard link',
        'tree/link symlink',
        'tree/sub/ directory',
        'tree/sub/two file',
      ]);
      expect(entries.at(-1)).toMatchObject({ uid: 12, gid: 34, mode: 0o4750 });
      const all = readTar(cp(at('/'), '-').bytes).entries.map((entry) => entry.name);
      expect(all).toContain('vol/file');
      expect(all.filter((entry) => /^(proc|sys)\/./.test(entry))).toEqual([]);
    });

    it('in and out again is the same', () => {
      mkdirSync(join(here, 'in/deep/er'), { recursive: true });
      writeFileSync(join(here, 'in/deep/file'), Buffer.alloc(600_000, 'x'));
      chmodSync(join(here, 'in/deep/file'), 0o2711);
      chownSync(join(here, 'in/deep/file'), 12, 34);
      symlinkSync('/nowhere', join(here, 'in/dangling'));
      writeFileSync(join(here, 'in', `${'long'.repeat(50)}`), 'l');
      for (const path of ['in/deep/file', 'in/deep/er', 'in/deep', 'in'])
        utimesSync(join(here, path), 1000.5, 1000.5);
      ok('-a', 'in', at('/copied'));
      ok('-a', at('/copied'), 'out');
      const tar = (path: string) =>
        spawnSync(
          'tar',
          [
            '--sort=name',
            '--numeric-owner',
            '--format=pax',
            '--pax-option=delete=atime,delete=ctime',
            '-cf',
            '-',
            '.',
          ],
          { cwd: join(here, path), maxBuffer: 1e8 },
        ).stdout;
      expect(tar('out').equals(tar('in'))).toBe(true);
      ok('in/deep/file', at('/tmp'));
      ok('-a', at('/tmp/file'), 'owned');
      expect(statSync(join(here, 'owned'))).toMatchObject({ uid: 0, gid: 0, size: 600_000 });
    });

    it('in: into directories, over files, through links inside, with the errors of docker', () => {
      writeFileSync(join(here, 'a'), 'from here\n');
      ok('a', at('/to-tree/a'));
      ok('./a', at('/tree/sub'));
      ok('a', at('/absolute-new'));
      ok(at('/tree'), 'tree');
      expect(text('tree/a')).toBe('from here\n');
      expect(text('tree/sub/a')).toBe('from here\n');
      expect(cp('nosuch', at('/'))).toMatchObject({
        code: 1,
        err: 'gantry: lstat nosuch: no such file or directory\n',
      });
      expect(cp('a', at('/no/such'))).toMatchObject({
        code: 1,
        err: `gantry: Could not find the file /no/such in container ${name}\n`,
      });
      expect(cp('a', at('/nosuch/')).err).toBe('gantry: no such directory\n');
      expect(cp('tree', at('/tree/file')).err).toBe('gantry: cannot copy directory\n');
      mkdirSync(join(here, 'fight/sub'), { recursive: true });
      rmSync(join(here, 'fight/sub'), { recursive: true });
      writeFileSync(join(here, 'fight/sub'), '');
      expect(cp('fight/.', at('/tree')).err).toBe(
        'gantry: cannot overwrite directory "/tree/sub" with non-directory "sub"\n',
      );
    });

    it('in from - unpacks a tar in a directory, and no entry leaves it', () => {
      writeFileSync(join(here, 'x'), 'piped\n');
      const tar = spawnSync('tar', ['-cf', '-', 'x'], { cwd: here }).stdout;
      expect(call(['cp', '-', at('/tmp')], tar)).toMatchObject({ code: 0, err: '' });
      ok(at('/tmp/x'), 'back');
      expect(text('back')).toBe('piped\n');
      expect(call(['cp', '-', at('/tree/file')], tar).err).toBe(
        `gantry: destination "${name}:/tree/file" must be a directory\n`,
      );
      expect(call(['cp', '-', at('/tmp')], 'this is no tar'.repeat(100))).toMatchObject({ code: 1 });
      const hostile = spawnSync('tar', ['-P', '--transform', 's,^,../../,', '-cf', '-', 'x'], {
        cwd: here,
      }).stdout;
      expect(call(['cp', '-', at('/tmp')], hostile)).toMatchObject({
        code: 1,
        err: expect.stringContaining('leaves the root'),
      });
    });
  });

  it('nothing stays mounted of a stopped container', () => {
    expect(cp('still:/tree/file', 'x').code).toBe(0);
    expect(mounts().filter((line) => !line.includes('/merged'))).toEqual([]);
    expect(mounts()).toHaveLength(1); // the live one's
    expect(gantry('start', 'still').code).toBe(0);
  });

  it('tmpfs of a live container is there', () => {
    writeFileSync(join(here, 'a'), 'fleeting');
    ok('a', 'live:/scratch');
    ok('live:/scratch/a', 'b');
    expect(text('b')).toBe('fleeting');
  });

  it('what is read only stays so', () => {
    const flags = ['--read-only', '-v', 'vol3:/rw', '-v', 'vol4:/ro:ro'];
    expect(gantry('create', '--name', 'fixed', ...flags, image, 'true').code).toBe(0);
    writeFileSync(join(here, 'a'), '');
    expect(cp('a', 'fixed:/tmp').err).toBe('gantry: container rootfs is marked read-only\n');
    expect(cp('a', 'fixed:/ro').err).toBe('gantry: mounted volume is marked read-only\n');
    ok('a', 'fixed:/rw');
    expect(existsSync(join(root, 'volumes/vol3/_data/a'))).toBe(true);
    gantry('rm', 'fixed');
    const run = ['run', '-d', '--name', 'fixed', '--read-only', '--tmpfs', '/scratch', image, 'sleep', '100'];
    expect(gantry(...run).code).toBe(0);
    ok('a', 'fixed:/scratch');
    expect(cp('a', 'fixed:/tmp').err).toBe('gantry: container rootfs is marked read-only\n');
    gantry('rm', '-f', 'fixed');
  });

  it('a live container that swaps directories for links reaches nothing of the host (CVE-2018-15664)', () => {
    const target = join(dir.path, 'victim');
    mkdirSync(join(target, 'sub'), { recursive: true, mode: 0o700 });
    chmodSync(join(target, 'sub'), 0o700);
    writeFileSync(join(target, 'secret'), 'host');
    const swap = `mkdir -p /race /away/victim; busybox ln -s ${target} /bad; cd /; while :; do
      busybox mv -T /race /away/d; busybox mv -T /bad /race; busybox mv -T /race /bad; busybox mv -T /away/d /race; done 2>/dev/null`;
    expect(gantry('run', '-d', '--cpus', '0.5', '--name', 'hostile', image, 'sh', '-c', swap).code).toBe(0);
    mkdirSync(join(here, 'payload/sub'), { recursive: true });
    chmodSync(join(here, 'payload/sub'), 0o777);
    writeFileSync(join(here, 'payload/planted'), 'planted');
    for (let round = 0; round < 4; round++) {
      cp('payload/.', 'hostile:/race');
      cp('payload', `hostile:/`);
      const { bytes } = cp('hostile:/race/.', '-');
      expect(bytes.includes('host')).toBe(false);
      expect(cp('-L', 'hostile:/race/secret', 'stolen').code).toBe(1);
    }
    gantry('rm', '-f', 'hostile');
    expect(readdirSync(target).sort()).toEqual(['secret', 'sub']);
    expect(statSync(join(target, 'sub')).mode & 0o777).toBe(0o700);
  }, 60_000);

  it('needs exactly one container', () => {
    expect(cp('live:/a', 'still:/b').err).toBe('gantry: copying between containers is not supported\n');
    expect(cp('./a:b', '/b:c').err).toBe('gantry: must specify at least one container source\n');
    expect(cp('nosuch:/a', '.').err).toBe('gantry: No such container: nosuch\n');
  });
});
