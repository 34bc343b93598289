/** docs/benchmarks.md, from the JSON files alone: the same files give the same page. */
import type { Metric, Piece } from '../metrics/metric.ts';
import type { Machine } from './machine.ts';
import { markdownTable } from './markdown-table.ts';
import type { BenchRecord } from './record.ts';
import { count } from './wording.ts';

/** The page and its pictures. */
export interface Page {
  readonly text: string;
  /** SVG by name. */
  readonly pictures: ReadonlyMap<string, string>;
}

/** A metric whose kind of result only itself knows. */
export type AnyMetric = Metric<unknown>;

function machineText(machine: Machine): string {
  const { model, cores, memoryGigabytes, kernel, system, node } = machine;
  return `${model}, ${String(cores)} cores, ${String(memoryGigabytes)} GB, Linux ${kernel}, ${system}, Node ${node.slice(1)}`;
}

function pieceText(piece: Piece, pictures: Map<string, string>): string[] {
  if (typeof piece === 'string') return [piece, ''];
  if ('head' in piece) return [...markdownTable(piece), ''];
  pictures.set(piece.picture, piece.svg);
  return [`![${piece.alternative}](plots/${piece.picture}.svg)`, ''];
}

/** The lines of one metric; its pictures are put into `pictures`. */
export function sectionText(metric: AnyMetric, result: unknown, pictures: Map<string, string>): string[] {
  return [`## ${metric.title}`, '', ...metric.tell(result).flatMap((piece) => pieceText(piece, pictures))];
}

const WHAT_NODE_COSTS = [
  '## What Node costs',
  '',
  'Postern runs on Node, in two processes, and the peers are small programs in C. So Postern takes many times their memory, a client takes the',
  'time that a Node takes to start, and a gate that was just started compiles while it hears its first knocks. What it does not cost is the',
  'latency of a knock: that is in what a server does for one. Postern opens by one message to the kernel from its own process; the peers start a',
  'program, or several, for each grant.',
  '',
];

const HOW_TO_REPEAT = [
  '## How to repeat this',
  '',
  '```',
  'script/bench all            # everything, at most 25 minutes; needs root, for network namespaces',
  'script/bench all flood      # one metric',
  'script/bench endurance      # a million accepted knocks, and a day by a faster clock: 35 minutes, by itself',
  'script/bench report         # this page again, from docs/benchmarks/*.json',
  'script/bench smoke          # the small version that fails on ratios, within a minute',
  '```',
  '',
  'Everything runs in network namespaces that are made for it: each server in one of its own, and the world that knocks in another, joined by',
  'veth pairs. The peers are the packages of Debian. A prober sends a knock, then a bare SYN at a time, and sleeps between them. The contenders',
  'take turns in the same run. Machines differ and are noisy, so the ratios count. The raw numbers are in [benchmarks](benchmarks).',
  '',
];

/** Makes it. Metrics that were never measured are left out. */
export function makePage(metrics: readonly AnyMetric[], recordOf: (name: string) => BenchRecord | undefined): Page {
  const pictures = new Map<string, string>();
  const measured = metrics.flatMap((metric) => {
    const record = recordOf(metric.name);
    return record === undefined ? [] : [{ metric, record }];
  });
  const machines = [...new Set(measured.map(({ record }) => machineText(record.machine)))];
  const ratios = measured.flatMap(({ metric, record }) => metric.ratios(record.result));
  const loads = measured.map(({ record }) => record.machine.load);
  const seconds = measured.reduce((sum, { record }) => sum + record.took, 0);
  const days = [...new Set(measured.map(({ record }) => record.day))].sort();
  const lines = [
    '# Benchmarks',
    '',
    '<!-- Made by `script/bench report` from docs/benchmarks/*.json. Change those, not this page. -->',
    '',
    'Postern beside its peers, knockd and fwknopd of Debian, in the same runs. Each number is from a run of `script/bench all`, unless its part names another.',
    '',
    ...ratios.map((ratio) => `- ${ratio}`),
    '',
    `Measured on ${days.join(', ')}, in ${count(Math.round(seconds))} s, on ${machines.join('; and on ')}. The load average before a metric was ${String(Math.min(...loads))} to ${String(Math.max(...loads))}.`,
    '',
    ...WHAT_NODE_COSTS,
    ...measured.flatMap(({ metric, record }) => sectionText(metric, record.result, pictures)),
    ...HOW_TO_REPEAT,
  ];
  return { text: `${lines.join('\n').trimEnd()}\n`, pictures };
}
