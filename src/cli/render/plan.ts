/** `gantry pull --dry-run`: what a pull would fetch and reuse. */
import { shortID } from '../../core/digest/digest.js';
import type { PullPlan } from '../../engine/pull-plan.js';
import { table } from './table.js';
import { humanSize } from './units.js';

export function renderPlan(plan: PullPlan): string {
  const lines = [
    ...plan.fetch.map((layer) => [shortID(layer.digest), 'fetch', humanSize(layer.size)]),
    ...plan.reuse.map((layer) => [shortID(layer.digest), 'reuse', humanSize(layer.size)]),
  ];
  return [
    `${plan.reference} (${plan.platform})\nDigest: ${plan.digest}\n`,
    table([['LAYER', 'ACTION', 'SIZE'], ...lines]),
    `To fetch: ${humanSize(plan.bytesToFetch)} in ${layers(plan.fetch.length)}; reused: ${humanSize(plan.bytesReused)} in ${layers(plan.reuse.length)}\n`,
    `Disk needed: ${humanSize(plan.diskNeeded)}; free: ${humanSize(plan.freeBytes)}, ${Number.isFinite(plan.freeInodes) ? `${plan.freeInodes} inodes` : 'inodes as needed'}\n`,
  ].join('');
}

const layers = (count: number): string => `${count} layer${count === 1 ? '' : 's'}`;
