/**
 * What a layer's `diff/` must hold, by its tar: entries are put into a tree in memory by the rules of the extractor
 * (extractor.ts, layer-dirs.ts), so that a check needs no second copy on disk.
 *
 *   entry      as the header says; names of one inode are one node
 *   implicit   a directory that holds entries and has none itself: its attributes are those of what it covers
 *   whiteout   hides something below; not there when nothing is
 *
 * Names are latin1. A later entry replaces an earlier one, parents are found through this layer's own symlinks.
 */
import type { TarEntry } from '../core/tar/entry.js';
import { baseOf, cleanPath, hostile, parentOf } from './entry-path.js';
import { parseWhiteout } from './whiteout.js';

export interface ExpectedNode {
  readonly kind: 'entry' | 'implicit' | 'whiteout';
  readonly entry: TarEntry | undefined;
  /** Of a directory. */
  readonly children: Map<string, ExpectedNode> | undefined;
  /** `derived`: from a whiteout beside a directory of its own, which docker does not mark. */
  opaque: 'no' | 'marked' | 'derived';
  /** CRC-64 of the contents; of a sparse file's stretches of data, one after the other. */
  crc: Buffer | undefined;
}

const LINK_DEPTH = 40;

const node = (kind: ExpectedNode['kind'], entry?: TarEntry): ExpectedNode => ({
  kind,
  entry,
  children: kind === 'implicit' || entry?.type === 'directory' ? new Map() : undefined,
  opaque: 'no',
  crc: undefined,
});

export class ExpectedTree {
  root = node('implicit');

  /** The node that the entry made; undefined for a whiteout. ERR_LAYER_HOSTILE and ERR_LAYER_INVALID. */
  add(entry: TarEntry): ExpectedNode | undefined {
    const path = cleanPath(entry.name);
    const whiteout = parseWhiteout(path);
    if (whiteout?.kind === 'hide') this.#hide(whiteout.path);
    else if (whiteout?.kind === 'opaque') this.#make(whiteout.path).opaque = 'marked';
    return whiteout === undefined ? this.#put(path, entry) : undefined;
  }

  /** What is at a path; symlinks are not followed. */
  find(path: string): ExpectedNode | undefined {
    let at: ExpectedNode | undefined = this.root;
    if (path !== '') for (const name of path.split('/')) at = at?.children?.get(name);
    return at;
  }

  /** Every path but the root's, a directory before what is in it. `enter` says which directories to look into. */
  *paths(enter: (path: string) => boolean): Generator<readonly [path: string, node: ExpectedNode]> {
    const waiting: (readonly [string, ExpectedNode])[] = [['', this.root]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [path, at] = next;
      if (at !== this.root) yield next;
      if (at.children === undefined || !enter(path)) continue;
      for (const [name, child] of at.children) waiting.push([path === '' ? name : `${path}/${name}`, child]);
    }
  }

  #put(path: string, entry: TarEntry): ExpectedNode {
    if (path === '') {
      this.root = { ...node('entry', entry), children: this.root.children, opaque: this.root.opaque };
      return this.root;
    }
    const parent = this.#make(parentOf(path)).children!;
    const name = baseOf(path);
    const before = parent.get(name);
    const made = entry.type === 'link' ? this.#linked(entry) : replacing(before, entry);
    parent.set(name, made);
    return made;
  }

  #linked(entry: TarEntry): ExpectedNode {
    const target = cleanPath(entry.linkname);
    const found = this.#follow(parentOf(target))?.children?.get(baseOf(target));
    if (found === undefined) throw hostile('hardlink to nothing', entry.name);
    return found;
  }

  #hide(path: string): void {
    const parent = this.#make(parentOf(path)).children!;
    const there = parent.get(baseOf(path));
    if (there === undefined) parent.set(baseOf(path), node('whiteout'));
    else if (there.children !== undefined && there.opaque === 'no') there.opaque = 'derived';
  }

  /** The directory at a path, made where it is missing. */
  #make(path: string, links = 0): ExpectedNode {
    const found = this.#follow(path);
    if (found?.children !== undefined) return found;
    if (links > LINK_DEPTH) throw hostile('too many symlinks lead to it', path);
    const parent = this.#make(parentOf(path), links).children!;
    const there = parent.get(baseOf(path));
    if (there?.entry?.type === 'symlink') return this.#make(targetOf(path, there.entry), links + 1);
    if (there !== undefined && there.kind !== 'whiteout') throw hostile('not a directory', path);
    const made = node('implicit');
    if (there !== undefined) made.opaque = 'derived';
    parent.set(baseOf(path), made);
    return made;
  }

  #follow(path: string): ExpectedNode | undefined {
    let rest = path === '' ? [] : path.split('/');
    let way: ExpectedNode[] = [this.root];
    for (let links = 0; rest.length > 0; ) {
      const [name, ...after] = rest as [string, ...string[]];
      rest = after;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        way = way.slice(0, Math.max(1, way.length - 1));
        continue;
      }
      const next = way.at(-1)!.children?.get(name);
      if (next === undefined || ++links > LINK_DEPTH * 256) return undefined;
      if (next.entry?.type !== 'symlink') {
        way = [...way, next];
        continue;
      }
      if (next.entry.linkname.startsWith('/')) way = [this.root];
      rest = [...next.entry.linkname.split('/'), ...rest];
    }
    return way.at(-1);
  }
}

/** A directory over a directory keeps what is in it, and attributes that the later entry does not name. */
function replacing(before: ExpectedNode | undefined, entry: TarEntry): ExpectedNode {
  if (entry.type !== 'directory') return node('entry', entry);
  const made = node('entry', entry);
  if (before?.kind === 'whiteout') return { ...made, opaque: 'derived' };
  if (before?.children === undefined) return made;
  const { children, opaque } = before;
  const inherited = before.entry?.xattrs;
  const xattrs = inherited && new Map([...inherited, ...(entry.xattrs ?? [])]);
  return { ...made, entry: xattrs ? { ...entry, xattrs } : entry, children, opaque };
}

/** `..` of the root is the root. */
function targetOf(path: string, { linkname }: TarEntry): string {
  const parts: string[] = [];
  for (const part of `${linkname.startsWith('/') ? '' : parentOf(path)}/${linkname}`.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
