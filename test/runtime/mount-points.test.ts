import { describe, expect, it } from 'vitest';
import {
  bindMount,
  isAnonymousVolume,
  mountPoint,
  tmpfsMounts,
  wantedMounts,
} from '../../src/runtime/mount-points.js';
import { hostConfigOf } from './host-config.js';

const name = 'ab'.repeat(32);
const wanted = (volumes: readonly string[], own: Parameters<typeof hostConfigOf>[0] = {}) =>
  wantedMounts(
    { Volumes: Object.fromEntries(volumes.map((target) => [target, {}])) },
    hostConfigOf(own),
    () => name,
  );

describe('mount points', () => {
  it("come from binds, mounts and the image, in Docker's form", () => {
    const Mounts = [{ Type: 'bind', Source: '/m', Target: '/n/', ReadOnly: true }] as const;
    const points = wanted(['/data', '/v'], { Binds: ['/h:/c:ro', 'named:/v'], Mounts });
    expect(points).toMatchObject([
      { Type: 'bind', Source: '/h', Destination: '/c', RW: false, Propagation: 'rprivate', makeSource: true },
      { Type: 'volume', Name: 'named', Destination: '/v', RW: true, copyImage: true },
      { Type: 'bind', Source: '/m', Destination: '/n', RW: false, makeSource: false },
      { Type: 'volume', Name: name, Destination: '/data', copyImage: true },
    ]);
    const kept = points.map((point) => mountPoint(point, point.Source || '/store/_data'));
    expect(kept.map(isAnonymousVolume)).toEqual([false, false, false, true]);
    expect(kept.map(bindMount)).toMatchObject([
      { destination: '/c', source: '/h', options: ['rbind', 'ro', 'rprivate'] },
      { destination: '/v', source: '/store/_data', options: ['rbind', 'rw', 'rprivate'] },
      { destination: '/n', source: '/m' },
      { destination: '/data' },
    ]);
  });

  it('leave a place of the image to what the user wants there', () => {
    expect(wanted(['/data/'], { Tmpfs: { '/data': '' } })).toEqual([]);
    expect(wanted(['/data'], { Binds: ['/h:/data'] })).toHaveLength(1);
  });

  it.each([
    [['/a'], { Binds: ['/x:/b', '/y:/b'] }, 'Duplicate mount point: /b'],
    [[], { Binds: ['/x:/b'], Tmpfs: { '/b': '' } }, 'Duplicate mount point: /b'],
    [['relative'], {}, 'mount path must be absolute'],
    [['/..'], {}, "destination can't be '/'"],
  ])('are refused: %j %j', (volumes, own, message) => expect(() => wanted(volumes, own)).toThrow(message));

  it('of tmpfs keep the safe defaults that are not lifted', () => {
    const Mounts = [{ Type: 'tmpfs', Target: '/m', TmpfsOptions: { SizeBytes: 1024, Mode: 0o700 } }] as const;
    expect(tmpfsMounts(hostConfigOf({ Tmpfs: { '/t': 'exec,size=1m' }, Mounts }))).toEqual([
      { destination: '/t', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'exec', 'size=1m'] },
      {
        destination: '/m',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['noexec', 'nosuid', 'nodev', 'size=1024', 'mode=700'],
      },
    ]);
  });
});
