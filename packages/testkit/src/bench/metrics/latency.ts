/** From the packet to the open service: everybody by turns, with the floor in the same run. */
import { Arena } from '../arena/arena.ts';
import { CONTENDERS, type Contender, type ContenderName, type PlannedKnock } from '../arena/contender.ts';
import { PosternGate } from '../arena/postern-gate.ts';
import { sleep } from '../sleep.ts';
import { median, round, summarise } from '../statistics.ts';
import { measureSteps } from '../steps.ts';
import type { Metric } from './metric.ts';
import { milliseconds, times } from '../report/wording.ts';

const ALL = Object.keys(CONTENDERS) as ContenderName[];
/** Knocks of one contender before the next has its turn. */
const BLOCK = 10;

interface Row {
  readonly contender: ContenderName;
  readonly knocks: number;
  readonly lost: number;
  readonly min: number;
  /** The median of the medians of the rounds, and the lowest and the highest of these. */
  readonly median: number;
  readonly medians: readonly [lowest: number, highest: number];
  readonly p99: number;
}

/** What is kept. */
export interface LatencyResult {
  readonly unit: 'ms';
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly stepsMicroseconds: Readonly<Record<string, number>>;
}

/** Blocks of all of them, by turns. */
function interleave(arena: Arena, blocks: number): { readonly contender: Contender; readonly knock: PlannedKnock }[] {
  return Array.from({ length: blocks }, () =>
    arena.contenders.flatMap((contender) => arena.knocks(contender, BLOCK).map((knock) => ({ contender, knock }))),
  ).flat();
}

function summary(contender: ContenderName, rounds: readonly (readonly (number | null)[])[]): Row {
  const { n, lost, min, p99 } = summarise(rounds.flat());
  const medians = rounds.map((round_) => summarise(round_).median);
  const range = [Math.min(...medians), Math.max(...medians)] as const;
  return { contender, knocks: n, lost, min, median: round(median(medians)), medians: range, p99 };
}

/** Measures some contenders; also for the smoke test. */
export async function measureLatency(
  names: readonly ContenderName[],
  { say, rounds, blocks, warmUp }: { say: (line: string) => void; rounds: number; blocks: number; warmUp: number },
): Promise<Row[]> {
  await using arena = await Arena.build({ contenders: names, knocks: (rounds * blocks + warmUp) * BLOCK });
  if (names.includes('keyed')) {
    const until = PosternGate.untilKeyed();
    say(`a new gate believes keyed knocks from its third slot on: waiting ${String(Math.ceil(until / 1000))} s …`);
    await sleep(until);
  }
  const kept = new Map<ContenderName, (number | null)[][]>();
  for (let i = 0; i <= rounds; i++) {
    say(i === 0 ? `${String(warmUp * BLOCK)} knocks each to warm up …` : `round ${String(i)} of ${String(rounds)} …`);
    const plan = interleave(arena, i === 0 ? warmUp : blocks);
    const took = await arena.turns(plan.map(({ knock }) => knock));
    if (i === 0) continue;
    for (const { name } of arena.contenders)
      kept.set(name, [...(kept.get(name) ?? []), took.filter((_, at) => plan[at]?.contender.name === name)]);
  }
  const refused = Object.entries(await arena.refusals()).map(([reason, times_]) => `${reason} ${String(times_)}`);
  if (refused.length > 0) say(`the gate refused: ${refused.join(', ')}`);
  return ALL.flatMap((name) => {
    const all = kept.get(name);
    return all === undefined ? [] : [summary(name, all)];
  });
}

function medianOf({ rows }: LatencyResult, name: ContenderName): number {
  return rows.find(({ contender }) => contender === name)?.median ?? NaN;
}

/** Packet to open service. */
export const latencyMetric: Metric<LatencyResult> = {
  name: 'latency',
  title: 'Latency',
  summary: 'from the packet that opens to the service answering, everybody by turns, and the floor',
  seconds: 180,
  async measure({ say, small }) {
    const rounds = small ? 2 : 5;
    const rows = await measureLatency(ALL, { say, rounds, blocks: small ? 1 : 4, warmUp: small ? 2 : 6 });
    say('each step alone …');
    return { unit: 'ms', rounds, rows, stepsMicroseconds: measureSteps() };
  },
  tell(result) {
    const native = medianOf(result, 'native-1');
    return [
      `From the departure of the last packet that a knock needs until the service's SYN-ACK is back. One probe for all: a bare SYN each 100 µs, between which it sleeps. ` +
        `By turns, ten knocks each, ${String(result.rounds)} rounds; the median is that of the rounds' medians, beside it the lowest and the highest of them. ` +
        `The floor is one plain Node process that reads a packet socket and makes one nftables write, without cryptography, without a record.`,
      {
        head: ['', 'knocks', 'lost', 'min, ms', 'median, ms', 'of the rounds', 'p99, ms', 'to native'],
        align: 'lrrrrrrr',
        rows: result.rows.map(({ contender, knocks, lost, min, median: middle, medians, p99 }) => [
          CONTENDERS[contender],
          String(knocks),
          String(lost),
          milliseconds(min),
          milliseconds(middle),
          `${milliseconds(medians[0])} – ${milliseconds(medians[1])}`,
          milliseconds(p99),
          times(middle / native),
        ]),
      },
      'Where the time of a native knock goes, each step alone, median:',
      {
        head: ['step', 'µs'],
        align: 'lr',
        rows: Object.entries(result.stepsMicroseconds).map(([step, micros]) => [step, String(micros)]),
      },
      "fwknopd's default mode looks for packets every 100 ms; that is most of what it takes. Its UDP server waits for them, and starts iptables for each grant.",
    ];
  },
  ratios(result) {
    const [native, floor] = [medianOf(result, 'native-1'), medianOf(result, 'floor')];
    const to = (name: ContenderName): string => times(medianOf(result, name) / native);
    return [
      `A native knock opens in ${milliseconds(native)} ms at the median: ${times(native / floor)} the floor. fwknopd's UDP server takes ${to('fwknopd-udp')} as long, its default mode ${to('fwknopd')}, knockd ${to('knockd')}.`,
    ];
  },
};
