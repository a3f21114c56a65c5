/**
 * Names in a layer's tar, cleaned to paths relative to `diff/`: no leading or trailing slash, no empty, `.` or `..`
 * component. latin1, one character a byte. '' is the root entry (`./`).
 */
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';

const ODD = /\/\/|^\.?\/|\/$|(?:^|\/)\.\.?(?:\/|$)/;

export const hostile = (what: string, name: string): GantryError =>
  new GantryError('ERR_LAYER_HOSTILE', `layer entry ${show(name)}: ${what}`, { entry: show(name) });

/** A latin1 name as text for people: UTF-8 where it is, escapes where it is not. */
export const show = (name: string): string =>
  JSON.stringify(Buffer.from(name.slice(0, 300), 'latin1').toString());

/**
 * The cleaned path. ERR_LAYER_HOSTILE when it leaves the root, is too long or too deep, or holds a NUL. `..` inside
 * the name is resolved by text, as Docker does, before any symlink is looked at.
 */
export function cleanPath(name: string): string {
  if (name.length >= LIMITS.pathBytes)
    throw hostile(`name of ${name.length} bytes (bound ${LIMITS.pathBytes})`, name);
  if (name.includes('\0')) throw hostile('NUL byte in the name', name);
  // The common case, `usr/bin/x` or `usr/`, is answered without a split.
  const plain = name.endsWith('/') ? name.slice(0, -1) : name;
  const path = ODD.test(plain) || plain === '' || plain === '.' ? resolved(plain, name) : plain;
  checkComponents(path, name);
  return path;
}

/** As cleanPath, but `..` of the root is the root, as for the kernel: for what is no entry's name. */
export const pathInRoot = (name: string): string => cleanPath(resolved(name));

/** `name` is for the error when the path leaves the root; without it `..` stays there. */
function resolved(plain: string, name?: string): string {
  const parts: string[] = [];
  for (const part of plain.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined && name !== undefined) throw hostile('name leaves the root', name);
  }
  return parts.join('/');
}

function checkComponents(path: string, name: string): void {
  let start = 0;
  let depth = 0;
  for (;;) {
    const slash = path.indexOf('/', start);
    const length = (slash < 0 ? path.length : slash) - start;
    if (length > LIMITS.nameBytes)
      throw hostile(`component of ${length} bytes (bound ${LIMITS.nameBytes})`, name);
    if (++depth > LIMITS.pathDepth) throw hostile(`deeper than ${LIMITS.pathDepth} directories`, name);
    if (slash < 0) return;
    start = slash + 1;
  }
}

export const parentOf = (path: string): string => {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
};

export const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
