import { describe, expect, it } from 'vitest';
import { printable, printablePath } from '../../src/copyup/printable.js';
import { shellWord } from '../../src/copyup/shell-word.js';

const bytes = (text: string) => {
  const raw = Buffer.from(text, 'latin1');
  return { path: raw.toString('utf8'), pathBase64: raw.toString('base64') };
};

describe('printable', () => {
  it.each([
    ['/plain/name', '/plain/name'],
    ['/größe/日本/😀', '/größe/日本/😀'],
    ['a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['\x1b[2J\x07', '\\x1b[2J\\x07'],
    ['back\\slash', 'back\\\\slash'],
    ['\u202egpj.exe', '\\u{202e}gpj.exe'],
    ['zero\u200bwidth\u2028line\u0085', 'zero\\u{200b}width\\u{2028}line\\u{85}'],
    ['\ud800', '\\u{d800}'],
    ['</script><b>', '</script><b>'],
  ])('%j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each([
    ['/a\xff\xfeb', '/a\\xff\\xfeb'],
    ['/cut\xe2\x82', '/cut\\xe2\\x82'],
    ['/overlong\xc0\xaf', '/overlong\\xc0\\xaf'],
    ['/surrogate\xed\xa0\x80', '/surrogate\\xed\\xa0\\x80'],
    ['/euro\xe2\x82\xac\xff\n', '/euro€\\xff\\n'],
  ])('the bytes %j', (raw, shown) => {
    expect(printablePath(bytes(raw))).toBe(shown);
  });
});

describe('a word of a shell command', () => {
  it.each([
    ['/var/lib/db', '/var/lib/db'],
    ['/srv/my files', "'/srv/my files'"],
    ["/it's;$(reboot)", "'/it'\\''s;$(reboot)'"],
    ['/a\nb', "$'/a\\x0ab'"],
    ["/\x1b'", "$'/\\x1b\\x27'"],
  ])('%j', (path, word) => {
    expect(shellWord({ path })).toBe(word);
  });

  it('keeps bytes that are not UTF-8', () => {
    expect(shellWord(bytes('/a\xffb'))).toBe("$'/a\\xffb'");
  });
});
