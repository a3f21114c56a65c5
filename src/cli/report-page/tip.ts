/** One tip for all charts: beside the pointer, or below what has the focus. */
import { byId } from './element.js';

const GAP = 14;
const EDGE = 8;

export function withTip(at: HTMLElement | SVGElement, text: () => string): void {
  at.addEventListener('pointermove', (event) => {
    const { clientX, clientY } = event as PointerEvent;
    show(text(), clientX + GAP, clientY + GAP);
  });
  at.addEventListener('pointerleave', hideTip);
  at.addEventListener('focus', () => {
    if (!at.matches(':focus-visible')) return;
    const { left, bottom } = at.getBoundingClientRect();
    show(text(), left, bottom + EDGE);
  });
  at.addEventListener('blur', hideTip);
}

export function hideTip(): void {
  byId('tip').hidden = true;
}

function show(text: string, x: number, y: number): void {
  const tip = byId('tip');
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  tip.style.left = `${Math.max(EDGE, Math.min(x, clientWidth - width - EDGE))}px`;
  tip.style.top = `${y + height > clientHeight - EDGE ? Math.max(EDGE, y - height - 2 * GAP) : y}px`;
}
