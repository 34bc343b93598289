/** Valid knocks under junk: of many kinds, at rates up to what this machine can send. */
import { Arena } from '../arena/arena.ts';
import { CONTENDERS, type Contender, type ContenderName } from '../arena/contender.ts';
import { junkPlan, SHAPED } from '../arena/junk-plan.ts';
import { PosternGate } from '../arena/postern-gate.ts';
import { JUNK, type JunkKind } from '../flood-sender.ts';
import { drawPanels } from '../plot.ts';
import { count, digits, milliseconds } from '../report/wording.ts';
import { sleep } from '../sleep.ts';
import { summarise } from '../statistics.ts';
import type { Metric } from './metric.ts';

const NAMES = ['native-1', 'native-2', 'fwknop', 'door', 'keyed', 'fwknopd-udp', 'fwknopd', 'knockd'] as const;
/** Packets in a second; 0 stands for as many as this machine can send. */
const RATES = [1_000, 10_000, 50_000, 100_000, 0] as const;
const KNOCKS = 100;
/**
 * Milliseconds from knock to knock, until the flood is at its rate, and until a knock counts as lost. More knocks in a second are too many for
 * fwknopd even without junk.
 */
const [EVERY, LEAD, GIVE_UP] = [40, 400, 2_500] as const;
/** The rate at which every kind is tried. */
const COMMON = 10_000;

/** One cell. */
export interface FloodCell {
  readonly contender: ContenderName;
  readonly junk: JunkKind | 'none';
  /** Asked, in a second; 0: as many as can be. */
  readonly asked: number;
  /** Sent, in a second. */
  readonly reached: number;
  readonly knocks: number;
  readonly opened: number;
  readonly median: number;
  readonly p99: number;
}

/** What is kept. */
export interface FloodResult {
  readonly unit: 'ms';
  readonly cells: readonly FloodCell[];
  /** Cells for which there was no time. */
  readonly leftOut: number;
}

type Wanted = Pick<FloodCell, 'contender' | 'junk' | 'asked'>;

/** All cells; those that matter most first, keyed knocks last: a new gate believes them from its third slot on. */
function matrix(names: readonly ContenderName[], rates: readonly number[]): Wanted[] {
  const all = (junk: (name: ContenderName) => FloodCell['junk'], asked: number): Wanted[] =>
    names.map((contender) => ({ contender, junk: junk(contender), asked }));
  const device: Wanted[] = (['copied', 'unsealed', 'valid', 'base64'] as const).map((junk) => ({
    contender: 'native-1',
    junk,
    asked: COMMON,
  }));
  const cells = [
    ...all(() => 'none', 0),
    ...rates.flatMap((rate) => all((name) => SHAPED[name][0], rate)),
    ...all((name) => SHAPED[name][1], COMMON),
    ...device,
    ...rates.flatMap((rate) => all(() => 'random', rate)),
  ];
  const keyed = (it: Wanted): boolean => it.contender === 'keyed';
  return [...cells.filter((it) => !keyed(it)), ...cells.filter(keyed)];
}

/** Measures one cell. */
export async function measureCell(
  arena: Arena,
  contender: Contender,
  { junk, asked }: Wanted,
  knocks: number = KNOCKS,
): Promise<FloodCell> {
  const plan = { knocks: arena.knocks(contender, knocks), every: EVERY, giveUp: GIVE_UP };
  // Node needs a moment to start in both processes.
  const seconds = (LEAD + 300 + knocks * EVERY + 600) / 1000;
  const flooding =
    junk === 'none' ? undefined : arena.flood(junkPlan(arena, contender, { kind: junk, rate: asked, seconds }));
  if (flooding !== undefined) await sleep(LEAD);
  const [took, sent] = await Promise.all([arena.crowd(plan), flooding]);
  contender.close();
  const { lost, median, p99 } = summarise(took);
  return {
    contender: contender.name,
    junk,
    asked,
    reached: sent === undefined ? 0 : Math.round(sent.sent / sent.seconds),
    knocks,
    opened: knocks - lost,
    median,
    p99,
  };
}

function rateName(asked: number): string {
  return asked === 0 ? 'as many as it can' : `${count(asked)}/s`;
}

function cell(result: FloodResult, name: ContenderName, junk: FloodCell['junk'], asked: number): FloodCell | undefined {
  return result.cells.find((it) => it.contender === name && it.junk === junk && it.asked === asked);
}

function told(it: FloodCell | undefined): string {
  return it === undefined ? '–' : `${String(it.opened)} · ${milliseconds(it.p99)}`;
}

function plot(result: FloodResult): string {
  const labels = ['0', ...RATES.map((rate) => (rate === 0 ? 'most' : `${String(rate / 1000)}k`))];
  const panel = (title: string, junk: (name: ContenderName) => FloodCell['junk']) => ({
    title,
    axis: 'junk packets/s',
    at: labels.map((_, i) => i),
    labels,
    lines: NAMES.map((name) =>
      [cell(result, name, 'none', 0), ...RATES.map((rate) => cell(result, name, junk(name), rate))].map(
        (it) => (it?.opened ?? 0) / (it?.knocks ?? 1),
      ),
    ),
  });
  const p99 = (title: string, junk: (name: ContenderName) => FloodCell['junk']) => ({
    ...panel(title, junk),
    scale: 'milliseconds' as const,
    lines: NAMES.map((name) =>
      [cell(result, name, 'none', 0), ...RATES.map((rate) => cell(result, name, junk(name), rate))].map(
        (it) => it?.p99 ?? NaN,
      ),
    ),
  });
  return drawPanels(
    [
      panel('Opened, junk of the right shape', (name) => SHAPED[name][0]),
      panel('Opened, random bytes', () => 'random'),
      p99('p99 in ms, junk of the right shape', (name) => SHAPED[name][0]),
      p99('p99 in ms, random bytes', () => 'random'),
    ],
    NAMES.map((name) => CONTENDERS[name]),
    [],
    'Share of knocks that open under junk, and how long they take',
  );
}

/** Knocks under junk. */
export const floodMetric: Metric<FloodResult> = {
  name: 'flood',
  title: 'Flood',
  summary: `${String(KNOCKS)} valid knocks under junk of each kind, at ${String(RATES.length)} rates`,
  seconds: 560,
  async measure({ say, until, small }) {
    const cells: FloodCell[] = [];
    const wanted = matrix(NAMES, small ? [COMMON, 0] : RATES);
    const knocks = small ? 20 : KNOCKS;
    // What its warm-up takes, and the most cells of one of them.
    const most = 1 + Math.max(...NAMES.map((name) => wanted.filter(({ contender }) => contender === name).length));
    await using arena = await Arena.build({ contenders: NAMES, knocks: most * knocks });
    const believed = performance.now() + PosternGate.untilKeyed();
    // Not measured: the first knocks wait for compilers.
    for (const contender of arena.contenders.filter(({ name }) => name !== 'keyed'))
      await arena.crowd({ knocks: arena.knocks(contender, knocks), every: EVERY, giveUp: GIVE_UP });
    let leftOut = 0;
    for (const one of wanted) {
      const contender = arena.contenders.find(({ name }) => name === one.contender);
      if (contender === undefined) continue;
      if (performance.now() > until) {
        leftOut++;
        continue;
      }
      if (one.contender === 'keyed') await sleep(Math.max(0, believed - performance.now()));
      const measured = await measureCell(arena, contender, one, knocks);
      cells.push(measured);
      say(
        `${one.contender}, ${one.junk === 'none' ? 'no junk' : `${one.junk}, ${rateName(one.asked)}`}: ${String(measured.opened)} of ${String(knocks)}, p99 ${digits(measured.p99)} ms, ${count(measured.reached)} packets/s`,
      );
    }
    return { unit: 'ms', cells, leftOut };
  },
  tell(result) {
    const table = (junk: (name: ContenderName) => FloodCell['junk']) => ({
      head: ['', 'without junk', ...RATES.map((rate) => rateName(rate))],
      align: 'l'.padEnd(2 + RATES.length, 'r'),
      rows: NAMES.map((name) => [
        CONTENDERS[name],
        told(cell(result, name, 'none', 0)),
        ...RATES.map((rate) => told(cell(result, name, junk(name), rate))),
      ]),
    });
    const most = Math.max(...result.cells.filter(({ asked }) => asked === 0).map(({ reached }) => reached));
    const kinds = Object.keys(JUNK) as JunkKind[];
    const knocks = result.cells[0]?.knocks ?? 0;
    return [
      `${String(knocks)} valid knocks, one each ${String(EVERY)} ms, each a single try without a repetition, while somebody sends junk to the same server. ` +
        `Each cell: how many opened within ${String(GIVE_UP / 1000)} s · the 99th percentile of the time they took, in ms. ` +
        `“As many as it can” was up to ${count(most)} packets a second; the sender, the prober and the server share the machine's cores, which the last columns show for everybody.`,
      'Junk that looks like the real thing: for the native format packets of its length, for fwknop’s format base64 of its length, for doors SYNs to their ports, all from one stranger.',
      table((name) => SHAPED[name][0]),
      'Random bytes to the knock port:',
      table(() => 'random'),
      {
        picture: 'flood',
        alternative:
          'Share of knocks that open under junk, and the 99th percentile of their time, for eight ways to knock',
        svg: plot(result),
      },
      `Other kinds, asked for ${count(COMMON)} a second:`,
      {
        head: ['', 'junk', 'sent a second', 'opened', 'median, ms', 'p99, ms'],
        align: 'llrrrr',
        rows: kinds.flatMap((junk) =>
          result.cells
            .filter(
              (it) => it.junk === junk && it.asked === COMMON && junk !== 'random' && SHAPED[it.contender][0] !== junk,
            )
            .map((it) => [
              CONTENDERS[it.contender],
              JUNK[junk],
              count(it.reached),
              String(it.opened),
              milliseconds(it.median),
              milliseconds(it.p99),
            ]),
        ),
      },
      ...(result.leftOut === 0 ? [] : [`For ${String(result.leftOut)} cells there was no time.`]),
    ];
  },
  ratios(result) {
    const lost = (name: ContenderName): string => {
      const all = result.cells.filter((it) => it.contender === name && it.junk !== 'none');
      const knocks = all.reduce((sum, it) => sum + it.knocks, 0);
      return `${count(knocks - all.reduce((sum, it) => sum + it.opened, 0))} of ${count(knocks)}`;
    };
    return [
      `Under all floods together the native format lost ${lost('native-1')} knocks in suite 1 and ${lost('native-2')} in suite 2, fwknop's format at our gate ${lost('fwknop')}, our doors ${lost('door')}, keyed knocks ${lost('keyed')}; fwknopd's UDP server ${lost('fwknopd-udp')}, fwknopd sniffing ${lost('fwknopd')}, knockd ${lost('knockd')}.`,
    ];
  },
};
