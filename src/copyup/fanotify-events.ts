/**
 * What read(2) of a fanotify group gives: events, each with records that tell the object.
 *
 *   event   { u32 event_len; u8 vers; u8 reserved; u16 metadata_len; u64 mask; s32 fd; s32 pid }
 *   record  { u8 info_type; u8 pad; u16 len; u64 fsid; u32 bytes; s32 type; u8 handle[bytes]; name\0 }
 *
 * In a group of handles an event in a directory has a record for the directory, with the entry's name, and after it one
 * for the object itself; an event of a directory itself has only the first, and the name is ".". So the last record
 * is always the object's.
 */

const FD_AT = 16;
const PID_AT = 20;
const RECORD_HANDLE_AT = 12;
const HANDLE_HEADER = 8;

export interface FanotifyEvent {
  readonly mask: number;
  readonly pid: number;
  /** The caller closes it; -1 in a group of handles, and for an overflow. */
  readonly fd: number;
  /** `struct file_handle` of the object; a view of the buffer. */
  readonly handle?: Buffer;
}

/** Calls `take` with each event in the first `length` bytes. Stops at what is no event, which the kernel never writes. */
export function parseEvents(bytes: Buffer, length: number, take: (event: FanotifyEvent) => void): void {
  for (let at = 0; at + 24 <= length; ) {
    const end = at + bytes.readUInt32LE(at);
    const start = at + bytes.readUInt16LE(at + 6);
    if (end > length || start > end || start < at + 24) return;
    const handle = lastHandle(bytes, start, end);
    take({
      mask: bytes.readUInt32LE(at + 8), // no event has a bit above 32
      fd: bytes.readInt32LE(at + FD_AT),
      pid: bytes.readInt32LE(at + PID_AT),
      ...(handle === undefined ? {} : { handle }),
    });
    at = end;
  }
}

function lastHandle(bytes: Buffer, start: number, end: number): Buffer | undefined {
  let handle: Buffer | undefined;
  for (let at = start; at + RECORD_HANDLE_AT + HANDLE_HEADER <= end; ) {
    const length = bytes.readUInt16LE(at + 2);
    const from = at + RECORD_HANDLE_AT;
    const to = from + HANDLE_HEADER + bytes.readUInt32LE(from);
    if (length === 0 || to > end) break;
    handle = bytes.subarray(from, to);
    at += length;
  }
  return handle;
}
