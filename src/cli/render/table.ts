/**
 * Docker's tables (Go's tabwriter with a least width of 10 and a gap of 3): every cell but a line's last is padded.
 *
 *   REPOSITORY   TAG       IMAGE ID       CREATED       SIZE
 *   redis        latest    591240c5ba24   2 hours ago   1.98MB
 */
export function table(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const cells of lines) {
    for (const [at, cell] of cells.slice(0, -1).entries()) {
      widths[at] = Math.max(widths[at] ?? 10, [...cell].length + 3);
    }
  }
  return lines
    .map((cells) => {
      const padded = cells.slice(0, -1).map((cell, at) => cell + ' '.repeat(widths[at]! - [...cell].length));
      return `${padded.join('')}${cells.at(-1) ?? ''}\n`;
    })
    .join('');
}
