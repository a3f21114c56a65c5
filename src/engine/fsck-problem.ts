/** What a check of the store found, in one shape whatever it is about. `gantry system fsck --json` prints it. */
import type { ChainID, ImageID } from '../core/digest/digest.js';

/** What would put it right. */
export type Remedy =
  /** layerdb's small files from what images say; `fetch`: its files from the registry. */
  | { readonly kind: 'layer'; readonly chainID: ChainID; readonly fetch: boolean }
  /** `link`, `lower` and `l/`, from the chain of layers. */
  | { readonly kind: 'links' }
  /** Nothing needs it. */
  | { readonly kind: 'sweep' }
  /** A hint that is written again when it is needed; the path is relative to the root. */
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'config'; readonly imageID: ImageID }
  /** Only the user can say what is to be done. */
  | { readonly kind: 'command'; readonly command: string };

export interface Problem {
  /** Relative to the root. */
  readonly where: string;
  /** What of it: "mode", "CRC-64", "link", … */
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy: Remedy;
}

/** The same problem seen twice; a command that is at work beside us makes some that are gone at the second look. */
export const problemKey = ({ where, what }: Problem): string => `${where}\0${what}`;
