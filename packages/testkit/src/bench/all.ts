/** `script/bench all`: every metric in turn, each into a file of its own, and then the page. */
import { METRICS, PAGE_METRICS } from './metrics/all-metrics.ts';
import { thisMachine } from './report/machine.ts';
import { sectionText, type AnyMetric } from './report/page.ts';
import { revive, writeRecord } from './report/record.ts';
import { writePage } from './report/report.ts';

/** Seconds of all of them together: what has not begun by then is left out. */
const WHOLE = 1_500;

function minutes(seconds: number): string {
  return `${String(Math.floor(seconds / 60))} min ${String(Math.round(seconds % 60))} s`;
}

/**
 * Measures the metrics of these names, or all of them. One that fails does not keep the others from being measured. With `small` it only
 * tries them: nothing is kept, and the text that would be in the page is told. With `json` the results are told as JSON, a line each, and no text.
 *
 * @returns whether all of them could be measured
 */
export async function benchAll(
  names: readonly string[],
  {
    say,
    tell,
    small,
    json,
  }: {
    readonly say: (line: string) => void;
    readonly tell: (line: string) => void;
    readonly small: boolean;
    readonly json: boolean;
  },
): Promise<boolean> {
  // The one that can leave something out comes last, and takes the time that the others did not need.
  const wanted: readonly AnyMetric[] = (
    names.length === 0 ? [...METRICS] : PAGE_METRICS.filter(({ name }) => names.includes(name))
  ).sort((a, b) => Number(a.name === 'flood') - Number(b.name === 'flood'));
  const failed: string[] = [];
  const end = performance.now() + WHOLE * 1000;
  for (const [i, metric] of wanted.entries()) {
    const left = wanted.slice(i).reduce((sum, { seconds }) => sum + seconds, 0);
    const most = wanted.length === METRICS.length ? (end - performance.now()) / 1000 : left;
    say(
      `${String(i + 1)} of ${String(wanted.length)}: ${metric.title}; everything is done in at most ${minutes(most)}`,
    );
    const machine = thisMachine();
    const begun = performance.now();
    try {
      const result = await metric.measure({
        say: (line) => {
          say(`  ${line}`);
        },
        until: end - (left - metric.seconds) * 1000,
        small,
      });
      const took = Math.round((performance.now() - begun) / 1000);
      say(`  took ${String(took)} s`);
      const day = new Date().toISOString().slice(0, 10);
      const kept = { metric: metric.name, day, took, machine, result };
      if (!small) writeRecord(kept);
      if (json) tell(JSON.stringify(kept));
      else if (small) for (const line of sectionText(metric, revive(JSON.stringify(result)), new Map())) tell(line);
    } catch (error) {
      failed.push(metric.name);
      say(`  FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  if (!small) writePage();
  if (failed.length > 0) say(`not measured: ${failed.join(', ')}`);
  return failed.length === 0;
}
