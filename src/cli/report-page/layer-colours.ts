/** A colour for each of the layers that most was copied from; the others share one. */
import type { PageData } from '../render/copyup-page.js';

const COLOURS = 7;

export type LayerColour = (layer: number | undefined) => string;

export function layerColours({ byLayer }: PageData): LayerColour {
  const known = byLayer.flatMap(({ layer }) => layer ?? []).slice(0, COLOURS);
  return (layer) => {
    const at = layer === undefined ? -1 : known.indexOf(layer);
    return `var(--layer-${at === -1 ? 'other' : at})`;
  };
}
