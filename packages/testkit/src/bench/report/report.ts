/** Writes docs/benchmarks.md and its pictures. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PAGE_METRICS } from '../metrics/all-metrics.ts';
import { makePage } from './page.ts';
import { PAGE, PLOTS, readRecord } from './record.ts';

/** Makes the page again from what was measured. */
export function writePage(): void {
  const { text, pictures } = makePage(PAGE_METRICS, readRecord);
  mkdirSync(PLOTS, { recursive: true });
  for (const [name, svg] of pictures) writeFileSync(join(PLOTS, `${name}.svg`), svg);
  writeFileSync(PAGE, text);
}
