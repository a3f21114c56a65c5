/** A copy-up profile as a database, a web server and a start script leave one: the figures are realistic and add up. */
import { type CopiedFile, type CopyUpProfile, PROFILE_SCHEMA } from '../../src/copyup/profile.js';

const MIB = 2 ** 20;

export const copied = (path: string, bytes: number, more: Partial<CopiedFile> = {}): CopiedFile => ({
  path,
  kind: 'file',
  cause: 'open',
  bytes,
  ...more,
});

export function profileOf(files: readonly CopiedFile[], more: Partial<CopyUpProfile> = {}): CopyUpProfile {
  return {
    schema: PROFILE_SCHEMA,
    source: 'trace',
    container: {
      id: 'c0ffee'.padEnd(64, '0'),
      name: 'shop',
      image: 'registry.local/shop:2.4',
      imageID: `sha256:${'ab'.repeat(32)}`,
    },
    startedAt: '2026-11-22T00:10:00.123456789Z',
    durationMs: 8123.4,
    exitCode: 0,
    lost: 0,
    layers: [
      { cacheID: '0'.repeat(64) },
      {
        chainID: `sha256:${'11'.repeat(32)}`,
        cacheID: '1'.repeat(64),
        createdBy: 'COPY start.sh /usr/local/bin/',
      },
      {
        chainID: `sha256:${'22'.repeat(32)}`,
        cacheID: '2'.repeat(64),
        createdBy: 'RUN initdb && load-fixtures',
      },
      {
        chainID: `sha256:${'33'.repeat(32)}`,
        cacheID: '3'.repeat(64),
        createdBy: 'apt-get install nginx postgresql',
      },
    ],
    files,
    created: [
      { path: '/run/postgresql/.s.PGSQL.5432.lock', bytes: 47, pid: 4021, command: 'postgres', startMs: 210 },
      { path: '/run/nginx.pid', bytes: 5, pid: 4032, command: 'nginx', startMs: 340 },
    ],
    ...more,
  };
}

/** 1 database of 412 MiB in segments, a search index of one file, logs, static files that a start script chowns. */
export function shopProfile(): CopyUpProfile {
  const base = '/var/lib/postgresql/15/main/base/16384';
  const db = { pid: 4021, command: 'postgres', layer: 2 };
  const web = { pid: 4032, command: 'nginx', layer: 3 };
  const script = { pid: 4003, command: 'start.sh', layer: 1, cause: 'chown' } as const;
  const changed = (pages: number) => ({ changed: { block4k: pages * 4096, block64k: pages * 65_536 } });
  const at = (startMs: number, durationMs: number) => ({ startMs, durationMs });
  return profileOf([
    copied(`${base}/24601`, 256 * MIB, { ...db, ...at(410.2, 231.4), ...changed(3) }),
    copied(`${base}/24602`, 96 * MIB, { ...db, ...at(655.9, 88.1), ...changed(41) }),
    copied(`${base}/24610`, 48 * MIB, { ...db, ...at(1490, 44.7), ...changed(880) }),
    copied(`${base}/2619`, 12 * MIB, { ...db, pid: 4025, ...at(2110.5, 13.2), ...changed(12) }),
    copied('/var/lib/postgresql/15/main/pg_wal/000000010000000000000001', 16 * MIB, {
      ...db,
      ...at(430, 18.8),
      ...changed(96),
    }),
    copied('/var/lib/postgresql/15/main/global/pg_control', 8192, { ...db, ...at(402, 1.1), ...changed(2) }),
    copied('/srv/search/index.sqlite', 180 * MIB, {
      ...{ pid: 4050, command: 'indexer', layer: 2 },
      ...at(3020.4, 162.3),
      ...changed(1),
    }),
    copied('/var/log/nginx/access.log', 4 * MIB, { ...web, ...at(350.4, 5.4), ...changed(2) }),
    copied('/var/log/nginx/error.log', 64 * 1024, { ...web, ...at(356, 1.3), ...changed(1) }),
    ...Array.from({ length: 60 }, (_, n) =>
      copied(`/usr/share/shop/static/bundle-${String(n).padStart(2, '0')}.js`, (420 + 31 * (n % 17)) * 1024, {
        ...script,
        ...at(12 + n * 4.4, 2.1 + (n % 7) * 0.3),
        changed: { block4k: 0, block64k: 0 },
      }),
    ),
    copied('/etc/postgresql/15/main', 0, { ...db, kind: 'directory', cause: 'chmod', ...at(405, 0.4) }),
    copied('/var/cache/apt/pkgcache.bin', 33 * MIB, {
      ...{ pid: 4091, command: 'apt-get', layer: 3, gone: true },
      ...at(5200, 31.6),
    }),
  ]);
}
