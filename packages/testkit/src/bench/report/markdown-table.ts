/** Tables as prettier formats them. */

/** One table; `align` has `l` or `r` for each column. */
export interface MarkdownTable {
  readonly head: readonly string[];
  readonly align: string;
  readonly rows: readonly (readonly string[])[];
}

/** Its lines. */
export function markdownTable({ head, align, rows }: MarkdownTable): string[] {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (align[i] === 'r' ? (cells[i] ?? '').padStart(width) : (cells[i] ?? '').padEnd(width))).join(' | ')} |`;
  const rule = widths.map((width, i) => (align[i] === 'r' ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}
