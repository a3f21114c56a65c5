import { describe, expect, it } from 'vitest';
import { type FanotifyEvent, parseEvents } from '../../src/copyup/fanotify-events.js';

/** As Linux 6.18 wrote them: the copy of a file begins, and attributes of a directory's copy are set. */
const OPENED =
  '02002800da61d4bd01130eee08000000010000000e812200b7244f6a23323236313333380000000001001c00da61d4bd01130eee08000000010000005a81220056265510';
const DIRECTORY = '02002000da61d4bd01130eee08000000010000002f812200a62e7f952e000000';

function event(mask: number, fd: number, pid: number, records = ''): Buffer {
  const head = Buffer.alloc(24);
  const tail = Buffer.from(records, 'hex');
  head.writeUInt32LE(24 + tail.length, 0);
  head[4] = 3;
  head.writeUInt16LE(24, 6);
  head.writeBigUInt64LE(BigInt(mask), 8);
  head.writeInt32LE(fd, 16);
  head.writeInt32LE(pid, 20);
  return Buffer.concat([head, tail]);
}

function parse(bytes: Buffer, length = bytes.length): FanotifyEvent[] {
  const found: FanotifyEvent[] = [];
  parseEvents(bytes, length, (event) => found.push(event));
  return found;
}

describe('events of fanotify', () => {
  it('tell the object by the last handle: the entry, or the directory itself', () => {
    const found = parse(
      Buffer.concat([event(0x20, -1, 7, OPENED), event(0x40000004, -1, 8, DIRECTORY), event(0x08, 33, 9)]),
    );
    expect(found.map(({ mask, pid, fd }) => [mask, pid, fd])).toEqual([
      [0x20, 7, -1],
      [0x40000004, 8, -1],
      [0x08, 9, 33],
    ]);
    expect(found.map(({ handle }) => handle?.toString('hex'))).toEqual([
      '08000000010000005a81220056265510',
      '08000000010000002f812200a62e7f95',
      undefined,
    ]);
  });

  it('end where the bytes end, whatever a length says', () => {
    const whole = event(0x20, -1, 7, OPENED);
    for (let length = 0; length < whole.length; length++) expect(parse(whole, length)).toEqual([]);
    const wrong = event(0x20, -1, 7, OPENED);
    wrong.writeUInt32LE(0xffff, 24 + 12); // bytes in the handle
    expect(parse(wrong)[0]!.handle).toBeUndefined();
    wrong.writeUInt32LE(0, 0);
    expect(parse(wrong)).toEqual([]);
  });
});
