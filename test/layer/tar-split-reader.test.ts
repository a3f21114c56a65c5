import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { assembleTar } from '../../src/layer/tar-split-assembler.js';
import { readTarSplit, type TarSplitEntry } from '../../src/layer/tar-split-reader.js';
import { tarOf, tarSplitOf, temporaryDirectory } from '../helpers/layer-fixture.js';

/** Written by dockerd 20.10 while it imported a GNU tar with the sha256 below. */
const BY_DOCKERD = Buffer.from(
  `
H4sIAAAAAAAA/+yaXU/iXBCA7/0Z55q89sPXFRIvRgtYwzlJ3aKUm02hDVZbIHz042z87xtgiRR7CuwuORHnuRGjbTrJPNOZOfwk
s2zsk5pWIWM3C0euR2qkFVyBdAxIqAE6s9tAV58TCr9/GpCA8f559XtdpRwSZtQTateVxd8Zd3Q2gAGzZAez4Ebt6w/P/QAGcHcf
9/T9HqofVWPv6M/2abkmFTIeTYNZMBqSmvJ2tk5otUKGbuSTGvnvnGwk93AehpuXqO+XbDlQDb0mjaVG9/cOpNSwVGqhAydM3gGt
2AF/1i/1QN/hgdt8nPaakt4Lq/zWmGHt4wEv9MC2dAowoHIi2AI9OAJ5Dy7EHjz7YTgiFTINuE9q+ma6O+3IqRfd7n+BH7KDRpA9
mLe0R8XJqpfdzr20nmZVnx2FFdduoPk6DtRuc2qAQu1l/QZq1FPKrRRuIZEVQ467R+41G5l5e0htvsl6WlU5+rN9Wq7zhfdSXMe5
PxmV9TTfdvQ0vWY4d2Vl0rq35/0/7+1fqMoWPU30HPaaqdxZBXuaY5B34UrsQhgMX8tcqO7s7xtZV1aUh/X3xS5wkzMLBvT7Rdzt
PLy0NJlOoAtHIO+CKlj2LBt8d+KVLn12bX2cqPF6LvfNsK8NafG0205x2j1ptmz4uPb5MXGTDym9bK5Wc6+6mfhmKrqxaDEkNXgE
2Zfbi9iLGllL7si4LNeMt9XCgRfyDQ4FSJlNE2pY6WLoXQ7MNijsxQHTaEsNZI3XYYrTMQfmIQPtAeX/K5KvvIINZuxOyk+0RKvK
VlDVnI4Zd5/UxLt7ldMa/4sjLdvJFmMvHmmdLFs9iGAHtDDBj8azrNyHkjUQ957MUzji1ViCPpwwWz4I9kDTea/cBNESSHZ4CIIg
p8XWQZamYPVFEARBEARBEARBkC9Lfksg+mpS/r+0t7NfAQAA//9pgo1QuzkAAA==
`,
  'base64',
);
const ITS_TAR = '22fa4a2c5f9e6d292a5caa6ae93a434d2bbf31396b6dc7d5fb8f8eb6ed792082';

let root: ReturnType<typeof temporaryDirectory>;
let tarSplit: string;
let files: string;
beforeEach(() => {
  root = temporaryDirectory();
  tarSplit = join(root.path, 'tar-split.json.gz');
  files = join(root.path, 'diff');
  mkdirSync(files);
});
afterEach(() => root.remove());

async function entries(): Promise<TarSplitEntry[]> {
  const all: TarSplitEntry[] = [];
  for await (const entry of readTarSplit(tarSplit)) all.push(entry);
  return all;
}

async function assembled(): Promise<Buffer> {
  const parts: Buffer[] = [];
  const sink = (bytes: Uint8Array): void => void parts.push(Buffer.from(bytes));
  await assembleTar({ tarSplit, files, crc: await createCrc64(), sink });
  return Buffer.concat(parts);
}

describe('reading tar-split', () => {
  it("reads dockerd's entries, names that are not UTF-8 included", async () => {
    writeFileSync(tarSplit, BY_DOCKERD);
    const found = (await entries()).flatMap((entry) =>
      entry.type === 'file' ? [[entry.name.toString('latin1'), entry.size, entry.crc?.length]] : [],
    );
    expect(found).toEqual([
      ['./', 0, undefined],
      ['./etc/', 0, undefined],
      ['./etc/hello', 3, 8],
      ['./etc/zero', 0, undefined],
      ['./etc/link', 0, undefined],
      ['./etc/hard', 0, undefined],
      ['./etc/bad\xff', 1, 8],
      ['./var/', 0, undefined],
      ['./var/empty/', 0, undefined],
      ['./sub/', 0, undefined],
    ]);
  });

  it('reads lines that span chunks', async () => {
    const big = Buffer.alloc(300_000, 7);
    const line = JSON.stringify({ type: 2, payload: big.toString('base64'), position: 0 });
    writeFileSync(tarSplit, gzipSync(`${line}\n${line}\n`));
    const read = await entries();
    expect(read).toHaveLength(2);
    // toEqual goes through them number by number: seconds.
    for (const entry of read) expect(entry.type === 'segment' && big.equals(entry.bytes)).toBe(true);
  });

  it.each([
    ['a file that is cut short', () => BY_DOCKERD.subarray(0, 400)],
    ['an empty file', () => Buffer.alloc(0)],
    ['bytes that are not gzip', () => Buffer.from('nonsense')],
    ['a line that is not JSON', () => gzipSync('{"type":2\n')],
    ['an unknown type', () => gzipSync('{"type":3,"position":0}\n')],
    ['a file without a checksum', () => gzipSync('{"type":1,"name":"a","size":1,"payload":null}\n')],
    ['a negative size', () => gzipSync('{"type":1,"name":"a","size":-1,"payload":null}\n')],
    ['a last line without an end', () => gzipSync(gunzipSync(BY_DOCKERD).subarray(0, -1))],
    ['a line without bound', () => gzipSync(Buffer.alloc(9 << 20, 0x20))],
  ])('refuses %s', async (_, bytes) => {
    writeFileSync(tarSplit, bytes());
    await expect(entries()).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT', details: { file: tarSplit } });
  });

  it('closes its file when the reader stops early', async () => {
    writeFileSync(tarSplit, BY_DOCKERD);
    for await (const entry of readTarSplit(tarSplit)) {
      expect(entry.type).toBe('segment');
      break;
    }
  });
});

describe('assembling a tar', () => {
  const content = { 'a/one': 'first', empty: '', 'a/two': 'x'.repeat(700_000) };
  const write = async (): Promise<void> => {
    writeFileSync(tarSplit, await tarSplitOf(content));
    mkdirSync(join(files, 'a'));
    for (const [path, text] of Object.entries(content)) writeFileSync(join(files, path), text);
  };

  it("gives back the tar that dockerd read, from dockerd's tar-split", async () => {
    writeFileSync(tarSplit, BY_DOCKERD);
    for (const directory of ['etc', 'var', 'var/empty', 'sub']) mkdirSync(join(files, directory));
    writeFileSync(join(files, 'etc/hello'), 'hi\n');
    writeFileSync(Buffer.concat([Buffer.from(join(files, 'etc/bad')), Buffer.of(0xff)]), 'x');
    linkSync(join(files, 'etc/hello'), join(files, 'etc/hard'));
    const tar = await assembled();
    expect(createHash('sha256').update(tar).digest('hex')).toBe(ITS_TAR);
  });

  it('streams through an asynchronous sink', async () => {
    await write();
    let text = '';
    const sink = async (bytes: Uint8Array): Promise<void> => {
      await new Promise(setImmediate);
      text += Buffer.from(bytes).toString();
    };
    const size = await assembleTar({ tarSplit, files, crc: await createCrc64(), sink });
    expect(text).toBe(tarOf(content));
    expect(size).toBe(text.length);
  });

  it.each([
    ['a changed byte', () => writeFileSync(join(files, 'a/one'), 'First'), /CRC-64/],
    ['another size', () => writeFileSync(join(files, 'a/one'), 'firs'), /5 bytes, found 4/],
  ])('refuses %s and names the file', async (_, change, message) => {
    await write();
    change();
    await expect(assembled()).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
      message: expect.stringMatching(message),
      details: { file: 'a/one' },
    });
  });

  it('opens nothing outside the layer, through links or dots', async () => {
    writeFileSync(join(root.path, 'secret'), 'first');
    writeFileSync(tarSplit, await tarSplitOf({ '../secret': 'first' }));
    await expect(assembled()).rejects.toThrow(/found none/);
    writeFileSync(tarSplit, await tarSplitOf({ 'out/secret': 'first' }));
    symlinkSync(root.path, join(files, 'out'));
    await expect(assembled()).rejects.toThrow(/found none/);
    writeFileSync(tarSplit, await tarSplitOf({ link: 'first' }));
    symlinkSync('../secret', join(files, 'link'));
    await expect(assembled()).rejects.toThrow(/found none/);
  });
});
