/** Of a chart's many marks one is a stop of the Tab key; the arrow keys go from it to the others (ARIA's roving tabindex). */
export function roving(marks: readonly (HTMLElement | SVGElement)[]): void {
  for (const [at, mark] of marks.entries()) {
    mark.setAttribute('tabindex', at === 0 ? '0' : '-1');
    mark.addEventListener('keydown', (event) => {
      const to = target((event as KeyboardEvent).key, at, marks.length);
      if (to === undefined) return;
      event.preventDefault();
      mark.setAttribute('tabindex', '-1');
      marks[to]!.setAttribute('tabindex', '0');
      marks[to]!.focus();
    });
  }
}

function target(key: string, at: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowRight':
    case 'ArrowDown':
      return Math.min(at + 1, count - 1);
    case 'ArrowLeft':
    case 'ArrowUp':
      return Math.max(at - 1, 0);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}
