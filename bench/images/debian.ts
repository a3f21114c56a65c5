/**
 * Debian packages as tar layers, without installing anything: apt resolves and downloads a closure against an empty
 * package database, and the packages' own tars are rewritten entry by entry, so nothing is unpacked on disk.
 *
 * Debian's merged /usr is kept: `./bin/ps` becomes `usr/bin/ps`, and the base layer has the symlinks bin -> usr/bin….
 * Maintainer scripts do not run; a recipe adds the few files that they would make.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BLOCK, padded, type TarEntry, tarEntry } from './tar-header.js';

const run = promisify(execFile);
const MERGED = /^(?:bin|sbin|lib|lib32|lib64|libx32)(?=\/|$)/;

export interface Package {
  readonly name: string;
  readonly file: string;
}

export interface Apt {
  /** The packages that `wanted` (names or apt patterns) need in an empty system, recommended ones left out. */
  closure(wanted: readonly string[]): Promise<Package[]>;
  download(wanted: readonly string[]): Promise<void>;
}

/** apt with a package database of its own under `dir`; downloaded packages stay there. */
export function openApt(dir: string): Apt {
  const archives = join(dir, 'debs');
  mkdirSync(join(archives, 'partial'), { recursive: true });
  const status = join(dir, 'empty-status');
  writeFileSync(status, '');
  const options = {
    'Dir::State::status': status,
    'Dir::State::extended_states': status,
    'Dir::Cache::archives': archives,
    'APT::Install-Recommends': '0',
    'APT::Sandbox::User': 'root',
    'Debug::NoLocking': '1',
  };
  const flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const install = async (...args: string[]): Promise<string> =>
    (await run('apt-get', [...flags, '-y', '-q', 'install', ...args], { maxBuffer: 1 << 26 })).stdout;
  /** Package lists may be missing (container images ship none) or older than the archive. */
  const fresh = async (...args: string[]): Promise<string> => {
    try {
      return await install(...args);
    } catch {
      await run('apt-get', ['-q', 'update']);
      return install(...args);
    }
  };
  return {
    async closure(wanted) {
      const lines = (await fresh('--simulate', ...wanted)).matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm);
      return [...lines]
        .map(([, name, version, architecture]) => ({
          name: name!,
          file: join(archives, `${name}_${version!.replaceAll(':', '%3a')}_${architecture}.deb`),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async download(wanted) {
      await fresh('--download-only', ...wanted);
    },
  };
}

/** What a layer of packages is made of. `extra` comes last, so it may replace a package's file. */
export interface PackageLayer {
  readonly packages: readonly Package[];
  readonly first?: readonly TarEntry[];
  readonly extra?: readonly TarEntry[];
}

/** The layer's tar, a buffer for each package; `counted` is told how many entries it wrote. */
export async function* packageLayerTar(
  layer: PackageLayer,
  counted: (entries: number) => void = () => {},
): AsyncGenerator<Buffer> {
  const seen = new Set<string>();
  let entries = 0;
  const emit = (list: Iterable<TarEntry>): Buffer => {
    const out: Buffer[] = [];
    for (const entry of list) {
      if (entry.type === '5' && seen.has(entry.name)) continue;
      seen.add(entry.name);
      entries++;
      out.push(tarEntry(entry));
    }
    return Buffer.concat(out);
  };
  yield emit(layer.first ?? []);
  for (const { file } of layer.packages) {
    const { stdout } = await run('dpkg-deb', ['--fsys-tarfile', file], {
      encoding: 'buffer',
      maxBuffer: 0x7fffffff,
    });
    yield emit(packageEntries(stdout));
  }
  yield emit(layer.extra ?? []);
  counted(entries);
}

/** The entries of a package's tar: GNU format, the only one dpkg writes (deb(5)). */
function* packageEntries(tar: Buffer): Generator<TarEntry> {
  let longName: string | undefined;
  let longLink: string | undefined;
  const text = (at: number, length: number): string =>
    tar.toString('latin1', at, at + length).replace(/\0.*$/s, '');
  const octal = (at: number, length: number): number => Number.parseInt(text(at, length).trim() || '0', 8);
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const type = text(at + 156, 1) || '0';
    const size = octal(at + 124, 12);
    const data = tar.subarray(at + BLOCK, at + BLOCK + size);
    if (type === 'L') longName = data.toString('latin1').replace(/\0$/, '');
    else if (type === 'K') longLink = data.toString('latin1').replace(/\0$/, '');
    else {
      const name = merged(longName ?? text(at, 100));
      const link = longLink ?? text(at + 157, 100);
      if (name !== '') {
        yield {
          name: type === '5' ? `${name}/` : name,
          type,
          mode: octal(at + 100, 8),
          uid: octal(at + 108, 8),
          gid: octal(at + 116, 8),
          mtime: octal(at + 136, 12),
          linkname: type === '1' ? merged(link) : link,
          data,
        };
      }
      longName = longLink = undefined;
    }
    at += BLOCK + padded(size);
  }
}

function merged(path: string): string {
  const clean = path.replace(/^(\.?\/)+|^\.$/, '').replace(/\/$/, '');
  return MERGED.test(clean) ? `usr/${clean}` : clean;
}
