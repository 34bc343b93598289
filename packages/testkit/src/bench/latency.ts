import type { Bench } from './bench.ts';
import { Stage } from './stage.ts';
import { summarise } from './statistics.ts';
import { measureSteps } from './steps.ts';

const KNOCKS = 200;
const RESTED = 50;
/** Not measured: the gate's first knocks wait for compilers. `rested` shows what a single knock gets. */
const WARM_UP = 200;

/** Packet sent to service answering. */
export const latency: Bench = {
  name: 'latency',
  summary: 'milliseconds from the packet sent to the service answering, 200 knocks for each suite and family',
  async run(say) {
    await using stage = await Stage.build(WARM_UP + 4 * KNOCKS + RESTED);
    const results: Record<string, unknown> = {};
    const lines: string[] = [];
    say(`${String(WARM_UP)} knocks to warm up …`);
    await stage.probe(stage.plan(1, 4, 0, WARM_UP, 2));
    let first = WARM_UP;
    let ok = true;
    for (const [suite, family] of [
      [1, 4],
      [1, 6],
      [2, 4],
      [2, 6],
    ] as const) {
      const name = `suite ${String(suite)}, IPv${String(family)}`;
      say(`${name}: ${String(KNOCKS)} knocks …`);
      const summary = summarise(await stage.probe(stage.plan(suite, family, first, KNOCKS, 2)));
      first += KNOCKS;
      ok &&= summary.lost === 0;
      results[`suite${String(suite)}-ipv${String(family)}`] = summary;
      const { lost, min, median, p99 } = summary;
      lines.push(
        `${name}: lost ${String(lost)}, min ${String(min)} ms, median ${String(median)} ms, p99 ${String(p99)} ms`,
      );
    }
    say(`${String(RESTED)} knocks after 100 ms of rest each …`);
    const rested = summarise(await stage.probe(stage.plan(1, 4, first, RESTED, 100)));
    ok &&= rested.lost === 0;
    lines.push(
      `suite 1, IPv4, after 100 ms of rest: lost ${String(rested.lost)}, median ${String(rested.median)} ms, p99 ${String(rested.p99)} ms`,
    );
    const steps = measureSteps();
    lines.push(
      'where it goes (each step alone, median):',
      ...Object.entries(steps).map(([step, micros]) => `  ${step}: ${String(micros)} µs`),
    );
    const { n, lost, min, median, p99 } = results['suite1-ipv4'] as ReturnType<typeof summarise>;
    return {
      ok,
      lines,
      json: {
        bench: 'latency',
        n,
        lost,
        min,
        median,
        p99,
        unit: 'ms',
        all: { ...results, rested },
        stepsMicroseconds: steps,
      },
    };
  },
};
