/** The treemap: directories as frames, files as cells, coloured by layer. A directory opens, and a file is looked up in the table. */
import { type HierarchyRectangularNode, hierarchy, treemap, treemapSquarify } from 'd3-hierarchy';
import type { PageData } from '../render/copyup-page.js';
import { countWords, sizeWords } from '../render/copyup-words.js';
import { byId, element, onWidth } from './element.js';
import { type Folder, folderTree, type Leaf, lumped } from './folders.js';
import type { LayerColour } from './layer-colours.js';
import { roving } from './roving.js';
import { rowWords } from './row-words.js';
import { hideTip, withTip } from './tip.js';

type Cell = HierarchyRectangularNode<Folder | Leaf>;

const HEAD = 21;
const GAP = 2;
/** Below this a cell is a sliver that nobody can see or hit. */
const LEAST = 3;
const TEXT_WIDTH = 34;
const TEXT_HEIGHT = 20;

export function drawTreemap(data: PageData, colour: LayerColour, onFile: (path: string) => void): void {
  const box = byId('treemap');
  let trail: readonly Folder[] = [folderTree(data.rows)];
  let width = 0;

  const open = (to: readonly Folder[], focus: boolean): void => {
    trail = to;
    crumbs();
    draw();
    if (focus) box.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  };

  const crumbs = (): void => {
    byId('crumbs').replaceChildren(
      ...trail.flatMap((folder, at) => {
        const last = at === trail.length - 1;
        const button = element(
          'button',
          { type: 'button', 'aria-current': last && 'true' },
          `${folder.name} ${sizeWords(folder.bytes)}`,
        );
        button.addEventListener('click', () => open(trail.slice(0, at + 1), false));
        return last ? [button] : [button, element('span', { class: 'soft', 'aria-hidden': 'true' }, '›')];
      }),
    );
  };

  const draw = (): void => {
    if (width === 0) return;
    hideTip();
    const root = hierarchy<Folder | Leaf>(lumped(trail.at(-1)!), (node) =>
      'children' in node ? [...node.children] : undefined,
    )
      // A directory's own bytes are those of what it holds.
      .sum((node) => ('children' in node ? 0 : node.bytes))
      .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
    const laid = treemap<Folder | Leaf>()
      .tile(treemapSquarify.ratio(1.3))
      .size([width, box.clientHeight])
      .paddingInner(GAP)
      .paddingOuter(GAP)
      .paddingTop((node) => (node.depth === 0 ? GAP : HEAD))
      .round(true)(root);
    const cells = laid
      .descendants()
      .filter((cell) => cell.depth > 0 && cell.x1 - cell.x0 >= LEAST && cell.y1 - cell.y0 >= LEAST);
    const buttons = cells.map(button);
    box.replaceChildren(...buttons);
    roving(buttons);
  };

  const button = (cell: Cell): HTMLElement => {
    const { data: node, x0, x1, y0, y1 } = cell;
    const isFolder = 'children' in node;
    const words = isFolder
      ? `${node.name}\n${sizeWords(node.bytes)} in ${countWords(node.files, 'file')}`
      : node.row === undefined
        ? `${node.name}\n${sizeWords(node.bytes)}`
        : rowWords(node.row, data.layers);
    const made = element('button', {
      type: 'button',
      class: !isFolder ? 'leaf' : cell.depth % 2 === 0 ? 'folder' : 'folder odd',
      'aria-label': words,
      'data-bytes': isFolder ? undefined : node.bytes,
    });
    const { style } = made;
    style.left = `${x0}px`;
    style.top = `${y0}px`;
    style.width = `${x1 - x0}px`;
    style.height = `${y1 - y0}px`;
    if (!isFolder) style.background = colour(node.layer);
    if (x1 - x0 >= TEXT_WIDTH && y1 - y0 >= TEXT_HEIGHT) {
      made.append(element('span', {}, isFolder ? `${node.name} · ${sizeWords(node.bytes)}` : node.name));
      if (!isFolder && y1 - y0 >= 2 * TEXT_HEIGHT) made.append(element('span', {}, sizeWords(node.bytes)));
    }
    withTip(made, () => words);
    made.addEventListener('click', () => {
      if (isFolder) open([...trail, ...foldersOn(cell)], true);
      else if (node.row !== undefined) onFile(node.row.path);
    });
    return made;
  };

  /** From below the shown root to the cell; whole folders, not the lumped ones that are drawn. */
  const foldersOn = (cell: Cell): Folder[] => {
    const names = cell
      .ancestors()
      .reverse()
      .slice(1)
      .map((at) => at.data.name);
    const found: Folder[] = [];
    let at = trail.at(-1)!;
    for (const name of names) {
      at = at.children.find((child): child is Folder => 'children' in child && child.name === name)!;
      found.push(at);
    }
    return found;
  };

  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && trail.length > 1) open(trail.slice(0, -1), true);
  });
  byId('map-by').addEventListener('change', (event) => {
    const by = (event.target as HTMLInputElement).value;
    open([folderTree(data.rows, by === 'layer' ? data.layers : undefined)], false);
  });
  byId('legend').replaceChildren(
    ...data.byLayer.map(({ layer, bytes }) => {
      const swatch = element('span', { class: 'swatch' });
      swatch.style.background = colour(layer);
      const name = layer === undefined ? 'unknown layer' : data.layers[layer]!;
      return element('li', {}, swatch, element('span', {}, `${name} · ${sizeWords(bytes)}`));
    }),
  );
  crumbs();
  onWidth(box, (now) => {
    width = now;
    draw();
  });
}
