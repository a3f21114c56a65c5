/**
 * Reading tar-split.json.gz: the bytes of a layer's tar that are not file contents, in order, and a checksum for each
 * file's. gzip of one JSON document a line:
 *
 *   {"type":2,"payload":"<base64>","position":0}                    segment: bytes of the tar as they are
 *   {"type":1,"name":"./etc/hosts","size":158,"payload":"<base64 of 8 bytes>","position":1}
 *                                                                  file: its contents go here; CRC-64/GO-ISO, big endian
 *   {"type":1,"name":"./etc/","payload":null,"position":2}          an entry without contents
 *   {"type":1,"name_raw":"<base64>","size":1,…}                     a name that is not UTF-8
 *
 * The file is written by us or by dockerd, but a disk can damage it: lines are bounded, and nothing is trusted to exist.
 */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import * as v from 'valibot';
import { GantryError, isGantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';

export type TarSplitEntry =
  | { readonly type: 'segment'; readonly bytes: Buffer }
  | {
      readonly type: 'file';
      /** As in the tar, with its `./` and trailing slash. */
      readonly name: Buffer;
      readonly size: number;
      /** Undefined for an entry without contents. */
      readonly crc: Buffer | undefined;
    };

/** A segment holds at most the PAX headers and padding of one entry, or 1 MiB of the end; base64 adds a third. */
const MAX_LINE = 8 * LIMITS.paxBytes;

const schema = v.object({
  type: v.picklist([1, 2]),
  name: v.optional(v.string(), ''),
  name_raw: v.optional(v.nullable(v.string())),
  size: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  payload: v.nullish(v.string(), ''),
});

function parseLine(line: Buffer, file: string, number: number): TarSplitEntry {
  try {
    const { type, name, name_raw, size, payload } = v.parse(schema, JSON.parse(line.toString()));
    const bytes = Buffer.from(payload ?? '', 'base64');
    if (type === 2) return { type: 'segment', bytes };
    if (size > 0 && bytes.length !== 8) {
      throw new GantryError('ERR_STORE_CORRUPT', `expected 8 bytes of checksum, found ${bytes.length}`);
    }
    return {
      type: 'file',
      name: name_raw ? Buffer.from(name_raw, 'base64') : Buffer.from(name),
      size,
      crc: size > 0 ? bytes : undefined,
    };
  } catch (cause) {
    throw corrupt(file, `line ${number}: ${(cause as Error).message}`, cause);
  }
}

function corrupt(file: string, what: string, cause?: unknown): GantryError {
  return new GantryError(
    'ERR_STORE_CORRUPT',
    `${file}: ${what}`,
    { file, hint: 'pull the image again' },
    { cause },
  );
}

/** The entries in order. Throws ERR_STORE_CORRUPT with the line's number, and for a file that is cut short. */
export async function* readTarSplit(file: string): AsyncGenerator<TarSplitEntry, void, undefined> {
  const source = createReadStream(file);
  const inflated = createGunzip();
  const flow = pipeline(source, inflated);
  flow.catch(() => {}); // reported below, by the loop that reads `inflated`
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  try {
    for await (const chunk of inflated as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        const line = Buffer.concat([rest, chunk.subarray(from, end)]);
        rest = rest.subarray(0, 0);
        from = end + 1;
        number++;
        if (line.length > 0) yield parseLine(line, file, number);
      }
      if (rest.length + chunk.length - from > MAX_LINE) {
        throw corrupt(file, `line ${number + 1}: expected at most ${MAX_LINE} bytes`);
      }
      rest = Buffer.concat([rest, chunk.subarray(from)]);
    }
  } catch (error) {
    throw isGantryError(error) ? error : corrupt(file, (error as Error).message, error);
  } finally {
    source.destroy();
    inflated.destroy();
  }
  if (rest.length > 0) throw corrupt(file, `line ${number + 1}: expected a newline at the end`);
}
