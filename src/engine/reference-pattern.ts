/**
 * Docker's reference patterns, of `images PATTERN` and `--filter reference=PATTERN` (Go's path.Match: `*` and `?` stop
 * at a slash, `[a-z]` is a set):
 *
 *   redis      every tag of redis           redis:7*    some of them
 *   *edis:*    by part of the name          quay.io/*\/x  one component of the path
 */
import { familiarString, name, parseReference } from '../registry/reference.js';

/** `reference` is a familiar string of the store. */
export function matchesReference(pattern: string, reference: string): boolean {
  const parsed = parseReference(reference);
  const familiar = familiarString({ domain: parsed.domain, path: parsed.path });
  const forms = [reference, familiar, name(parsed), name(parsed) + reference.slice(familiar.length)];
  const glob = toRegExp(pattern);
  return forms.some((form) => glob.test(form));
}

function toRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\[\^?[^\]]+\]|[\s\S]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return part.length > 1 && part.startsWith('[')
      ? part.replace(/\\/g, '\\\\')
      : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 'u');
}
