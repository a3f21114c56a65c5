/** The four fields that zlib's z_stream and ISA-L's inflate_state share in kind: where input and output go on. */
import type { Codec } from './stream-inflater.js';

/** Byte offsets in the struct: pointers of 8 bytes, counts of 4. */
export interface FieldOffsets {
  readonly nextIn: number;
  readonly availIn: number;
  readonly nextOut: number;
  readonly availOut: number;
}

type Fields = 'availIn' | 'availOut' | 'input' | 'output';

/** A codec whose input and output are these fields of `view`. */
export function withFields(view: DataView, at: FieldOffsets, rest: Omit<Codec, Fields>): Codec {
  return {
    ...rest,
    get availIn() {
      return view.getUint32(at.availIn, true);
    },
    get availOut() {
      return view.getUint32(at.availOut, true);
    },
    input(address, length) {
      view.setBigUint64(at.nextIn, BigInt(address), true);
      view.setUint32(at.availIn, length, true);
    },
    output(address, length) {
      view.setBigUint64(at.nextOut, BigInt(address), true);
      view.setUint32(at.availOut, length, true);
    },
  };
}
