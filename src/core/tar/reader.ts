/**
 * A push reader of tar streams: bytes go in as views in any cut, entries and their data come out synchronously, and
 * nothing is copied but headers that a cut splits. Every byte is handed on exactly once, so the stream can be rebuilt
 * from what the handler saw: `raw` for headers, padding and the rest, `data` for file contents (also to `raw` when
 * the entry is sparse, because a rebuilt file does not tell where its holes were). One state machine, hence one file.
 *
 * Formats: v7, ustar, PAX (with SCHILY.xattr, sparse 0.x and 1.0), GNU (long names, type S). Global PAX headers are
 * read and ignored, as Go's reader and so docker do.
 */
import { unreachable } from '../errors.js';
import { LIMITS } from '../limits.js';
import { parseEntry, type TarEntry } from './entry.js';
import { ExtendedHeaders, extendedKind } from './extended-headers.js';
import { BLOCK, checksumMatches, invalidTar, isZeroBlock, parseNumber, TYPE } from './header.js';
import type { PaxRecords } from './pax.js';
import { checkedSegments, InlineMap, parseGnuSlots, parsePaxMap, type SparseSegment } from './sparse.js';

export interface TarHandler {
  /** An entry begins; its data, if any, follows. */
  entry(entry: TarEntry): void;
  /** Contents of the current entry, for byte `offset` of the file. The view is valid during the call only. */
  data(bytes: Buffer, start: number, end: number, offset: number): void;
  /** The current entry is complete. */
  end(): void;
  /** Bytes of the archive that are not file contents. */
  raw(bytes: Buffer, start: number, end: number): void;
}

type State = 'header' | 'meta' | 'gnuSparse' | 'inlineMap' | 'data' | 'padding' | 'trailer';

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

export class TarReader {
  readonly #handler: TarHandler;
  readonly #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  #state: State = 'header';
  #offset = 0;
  #entries = 0;
  #zeroBlocks = 0;

  /** Bytes still to come in the current state. */
  #left = 0;
  #pad = 0;
  #afterPad: 'meta' | 'entry' = 'entry';

  readonly #extended = new ExtendedHeaders();
  #headerOffset = -1;

  #pending: TarEntry | undefined;
  #storedSize = 0;
  #pairs: number[] = [];
  #inline = new InlineMap();
  #segments: readonly SparseSegment[] | undefined;
  #segment = 0;
  #segmentDone = 0;
  #fileOffset = 0;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Bytes read so far, and entries handed out. */
  get offset(): number {
    return this.#offset;
  }
  get entries(): number {
    return this.#entries;
  }

  /** Feeds bytes. Throws ERR_LAYER_INVALID with the offset for what is not a tar, ERR_LAYER_TOO_LARGE for bounds. */
  write(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.#state) {
        case 'header':
        case 'gnuSparse':
        case 'inlineMap':
          at = this.#writeBlock(bytes, at, end);
          break;
        case 'meta':
          at = this.#writeMeta(bytes, at, end);
          break;
        case 'data':
          at = this.#writeData(bytes, at, end);
          break;
        case 'padding': {
          const length = Math.min(this.#left, end - at);
          this.#handler.raw(bytes, at, at + length);
          at += length;
          this.#advance(length);
          if (this.#left === 0) this.#state = 'header';
          break;
        }
        case 'trailer':
          this.#handler.raw(bytes, at, end);
          this.#offset += end - at;
          at = end;
          break;
        default:
          unreachable(this.#state);
      }
    }
  }

  /** Moves on as `write` does for so many bytes of contents, which lie elsewhere. ERR_LAYER_INVALID where none are due. */
  skip(length: number): void {
    if (this.#state !== 'data' || this.#segments !== undefined || length > this.#left) {
      throw invalidTar(`${length} bytes of contents that no entry announces`, this.#offset);
    }
    this.#fileOffset += length;
    this.#advance(length);
    if (this.#left === 0) this.#endEntry();
  }

  /** The stream ended. ERR_LAYER_INVALID when that was inside an entry; a missing end mark is accepted, as tar does. */
  finish(): void {
    const between = this.#state === 'trailer' || (this.#state === 'header' && this.#blockFill === 0);
    if (!between || this.#extended.pending) {
      throw invalidTar(`unexpected end of the archive (in ${this.#state})`, this.#offset);
    }
  }

  #advance(length: number): void {
    this.#offset += length;
    this.#left -= length;
  }

  /** Collects one block, in place when it is whole, and hands it to the state that waits for it. */
  #writeBlock(bytes: Buffer, at: number, end: number): number {
    let block = bytes;
    let position = at;
    let next = at + BLOCK;
    if (this.#blockFill > 0 || next > end) {
      const take = Math.min(BLOCK - this.#blockFill, end - at);
      bytes.copy(this.#block, this.#blockFill, at, at + take);
      this.#blockFill += take;
      if (this.#blockFill < BLOCK) return end;
      this.#blockFill = 0;
      block = this.#block;
      position = 0;
      next = at + take;
    }
    this.#handler.raw(block, position, position + BLOCK);
    const offset = this.#offset;
    this.#offset += BLOCK;
    if (this.#state === 'header') this.#header(block, position, offset);
    else if (this.#state === 'gnuSparse') this.#sparseBlock(block, position);
    else this.#inlineBlock(block, position);
    return next;
  }

  #header(block: Buffer, at: number, offset: number): void {
    if (block[at] === 0 && isZeroBlock(block, at)) {
      this.#zeroBlocks++;
      if (this.#zeroBlocks === 2) this.#state = 'trailer';
      return;
    }
    // Go's reader takes a lone zero block for the end mark too; what follows it is no longer read as entries.
    if (this.#zeroBlocks > 0) {
      this.#state = 'trailer';
      return;
    }
    if (!checksumMatches(block, at)) throw invalidTar('wrong header checksum', offset);
    if (this.#headerOffset < 0) this.#headerOffset = offset;
    const size = parseNumber(block, at + 124, 12);
    if (!(size >= 0)) throw invalidTar('bad size field', offset);
    const flag = block[at + 156] as number;
    const extended = extendedKind(flag);
    if (extended === undefined) {
      this.#beginEntry(block, at, flag, size, offset);
      return;
    }
    this.#extended.begin(extended, size, offset);
    this.#left = size;
    this.#pad = padding(size);
    this.#state = 'meta';
    if (size === 0) this.#endMeta();
  }

  #writeMeta(bytes: Buffer, at: number, end: number): number {
    const length = Math.min(this.#left, end - at);
    this.#extended.add(bytes, at, at + length);
    this.#handler.raw(bytes, at, at + length);
    this.#advance(length);
    if (this.#left === 0) this.#endMeta();
    return at + length;
  }

  #endMeta(): void {
    this.#extended.end(this.#offset);
    this.#afterPad = 'meta';
    this.#beginPadding();
  }

  #beginPadding(): void {
    this.#left = this.#pad;
    this.#state = this.#left > 0 ? 'padding' : 'header';
    if (this.#afterPad === 'entry') this.#headerOffset = -1;
  }

  #beginEntry(block: Buffer, at: number, flag: number, size: number, offset: number): void {
    if (++this.#entries > LIMITS.entries) throw invalidTar(`more than ${LIMITS.entries} entries`, offset);
    const { pax, longName, longLink } = this.#extended;
    const entry = parseEntry({
      block,
      at,
      flag,
      size,
      pax,
      longName,
      longLink,
      offset,
      headerOffset: this.#headerOffset,
      dataOffset: this.#offset,
    });
    this.#pending = entry;
    this.#storedSize = entry.size;
    this.#extended.clear();
    if (flag === TYPE.gnuSparse) this.#beginGnuSparse(block, at);
    else if (pax !== undefined && entry.type === 'file' && pax.has('GNU.sparse.major'))
      this.#beginInlineSparse(pax);
    else if (pax !== undefined && entry.type === 'file' && pax.has('GNU.sparse.map'))
      this.#beginPaxSparse(pax);
    else this.#emit(undefined);
  }

  #beginGnuSparse(block: Buffer, at: number): void {
    this.#pairs = [];
    parseGnuSlots(block, at + 386, 4, this.#pairs);
    this.#resize(parseNumber(block, at + 483, 12));
    if (block[at + 482] === 0) this.#emit(this.#pairs);
    else this.#state = 'gnuSparse';
  }

  #sparseBlock(block: Buffer, at: number): void {
    parseGnuSlots(block, at, 21, this.#pairs);
    if (this.#pairs.length / 2 > LIMITS.sparseSegments) throw invalidTar('sparse map too long', this.#offset);
    if (block[at + 504] === 0) this.#emit(this.#pairs);
  }

  /** PAX sparse files carry their real name and size in records of their own. */
  #renameSparse(pax: PaxRecords): void {
    const name = pax.get('GNU.sparse.name');
    if (name) this.#pending = { ...(this.#pending as TarEntry), name };
    this.#resize(Number(pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size') ?? Number.NaN));
  }

  #resize(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0)
      throw invalidTar('bad real size of a sparse file', this.#offset);
    this.#pending = { ...(this.#pending as TarEntry), size };
  }

  #beginPaxSparse(pax: PaxRecords): void {
    this.#renameSparse(pax);
    this.#emit(parsePaxMap(pax.get('GNU.sparse.map') ?? ''));
  }

  #beginInlineSparse(pax: PaxRecords): void {
    const version = `${pax.get('GNU.sparse.major')}.${pax.get('GNU.sparse.minor')}`;
    if (version !== '1.0') throw invalidTar(`unknown sparse format ${version}`, this.#offset);
    this.#renameSparse(pax);
    this.#inline = new InlineMap();
    if (this.#storedSize < BLOCK) throw invalidTar('sparse map is missing', this.#offset);
    this.#state = 'inlineMap';
  }

  #inlineBlock(block: Buffer, at: number): void {
    const map = this.#inline;
    if (map.add(block, at, this.#offset)) {
      this.#storedSize -= map.length;
      this.#emit(map.pairs);
    } else if (map.length + BLOCK > this.#storedSize) throw invalidTar('sparse map is cut', this.#offset);
  }

  #emit(pairs: readonly number[] | undefined): void {
    const pending = this.#pending as TarEntry;
    const segments = pairs && checkedSegments(pairs, pending.size, this.#storedSize, this.#offset);
    this.#segments = segments;
    this.#segment = 0;
    this.#segmentDone = 0;
    this.#fileOffset = 0;
    this.#left = this.#storedSize;
    this.#pad = padding(this.#storedSize);
    this.#afterPad = 'entry';
    this.#handler.entry(segments ? { ...pending, sparse: segments, dataOffset: this.#offset } : pending);
    this.#state = 'data';
    if (this.#left === 0) this.#endEntry();
  }

  #writeData(bytes: Buffer, at: number, end: number): number {
    let length = Math.min(this.#left, end - at);
    if (this.#segments !== undefined) {
      const segment = this.#segments[this.#segment] as SparseSegment;
      length = Math.min(length, segment.length - this.#segmentDone);
      this.#handler.data(bytes, at, at + length, segment.offset + this.#segmentDone);
      this.#handler.raw(bytes, at, at + length);
      this.#segmentDone += length;
      if (this.#segmentDone === segment.length) {
        this.#segment++;
        this.#segmentDone = 0;
      }
    } else {
      this.#handler.data(bytes, at, at + length, this.#fileOffset);
      this.#fileOffset += length;
    }
    this.#advance(length);
    if (this.#left === 0) this.#endEntry();
    return at + length;
  }

  #endEntry(): void {
    this.#handler.end();
    this.#pending = undefined;
    this.#segments = undefined;
    this.#beginPadding();
  }
}
