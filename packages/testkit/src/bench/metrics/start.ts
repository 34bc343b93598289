/** From the start of a daemon to the first packet that it accepts. */
import { Arena } from '../arena/arena.ts';
import { CONTENDERS, type Contender, type ContenderName } from '../arena/contender.ts';
import { milliseconds, times } from '../report/wording.ts';
import { round, summarise, type Summary } from '../statistics.ts';
import { whilePlanned } from '../world-process.ts';
import type { Metric } from './metric.ts';

const NAMES = ['native-1', 'fwknopd-udp', 'fwknopd', 'knockd'] as const;
const ROUNDS = 7;

/** What is kept. */
export interface StartResult {
  readonly unit: 'ms';
  readonly rows: readonly { readonly contender: ContenderName; readonly took: Summary }[];
}

async function once(arena: Arena, contender: Contender): Promise<number | null> {
  const [knock] = arena.knocks(contender, 1);
  await contender.daemon.stop();
  let begun = 0;
  let started: Promise<void> | undefined;
  const out = await whilePlanned(arena.world, 'start-prober.ts', knock, () => {
    if (started !== undefined) return;
    begun = performance.timeOrigin + performance.now();
    started = contender.daemon.start();
  });
  await started;
  const { answered } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as { answered: number | null };
  return answered === null ? null : round(answered - begun);
}

/** Start to first packet. */
export const startMetric: Metric<StartResult> = {
  name: 'start',
  title: 'Start',
  summary: 'from the start of a daemon to the first packet that it accepts',
  seconds: 40,
  async measure({ say, until, small }) {
    await using arena = await Arena.build({ contenders: NAMES, knocks: ROUNDS });
    const took = new Map<ContenderName, (number | null)[]>();
    for (let i = 0; i < (small ? 2 : ROUNDS) && performance.now() < until; i++) {
      for (const contender of arena.contenders)
        took.set(contender.name, [...(took.get(contender.name) ?? []), await once(arena, contender)]);
      say(`round ${String(i + 1)} of ${String(ROUNDS)}`);
    }
    return { unit: 'ms', rows: [...took].map(([contender, all]) => ({ contender, took: summarise(all) })) };
  },
  tell({ rows }) {
    const ours = rows.find(({ contender }) => contender === 'native-1')?.took.median ?? NaN;
    return [
      'Somebody knocks each 10 ms; the time is from the start of the program until the service answers. The gate is the one that the packages install.',
      {
        head: ['', 'rounds', 'min, ms', 'median, ms', 'to native'],
        align: 'lrrrr',
        rows: rows.map(({ contender, took }) => [
          CONTENDERS[contender],
          String(took.n),
          milliseconds(took.min),
          milliseconds(took.median),
          times(took.median / ours),
        ]),
      },
    ];
  },
  ratios({ rows }) {
    const of = (name: ContenderName): number => rows.find(({ contender }) => contender === name)?.took.median ?? NaN;
    return [
      `A gate accepts its first packet ${milliseconds(of('native-1'))} ms after its start, which is ${times(of('native-1') / of('fwknopd-udp'))} what fwknopd's UDP server takes.`,
    ];
  },
};
