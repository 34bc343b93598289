/** How often a knock opens, when the way to the gate loses, delays and mixes up packets and somebody sends others with the same address. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ClassicMatcher, KEYED, type DoorSequence, type Knock, type UnixMicros } from '@postern/protocol';
import {
  arrivals,
  BAD,
  BURST,
  CLEAR,
  PARAMETERS,
  simulate,
  type Arrival,
  type Channel,
} from '../../../protocol/src/testdata/knock-channel.ts';
import { Dice } from '../../../protocol/src/testdata/random.ts';
import { KnockdRules } from '../knockd-rules.ts';
import type { Bench } from './bench.ts';
import { drawPanels, type Panel } from './plot.ts';

const PLOT = resolve(import.meta.dirname, '../../../../docs/plots/knock-channel.svg');
const SEQUENCE = [7000, 8000, 9000] as const;
/** From knock to knock of a sequence, in ms: it then takes about as long as a keyed knock. */
const GAP = 50;
const TIMEOUT = 25_000;
const FORGIVING = 20;
const RUNS = 1_000;
/** For the one cell that must hold. */
const MANY = 8_000;
const GOAL = 0.999;

/** Opens or not, for one way of knocking: the share of `runs` knocks. `aimed`: the noise goes where it can do most harm. */
type Method = (channel: Channel, runs: number, seed: number, aimed: boolean) => number;

function* sequence(): Generator<Arrival, number> {
  for (const [at, number] of SEQUENCE.entries()) yield { number, at: at * GAP };
  return SEQUENCE.length * GAP;
}

/** Runs sequences through the channel; `begin` makes somebody who takes them. */
function measured(begin: () => (number: number, at: number) => boolean): Method {
  return (channel, runs, seed, aimed) => {
    const dice = new Dice(seed);
    // The last port, before its turn: it cancels, and cannot open.
    const spoof = aimed ? (): number => SEQUENCE[2] : undefined;
    let opened = 0;
    for (let run = 0; run < runs; run++) {
      const take = begin();
      if (arrivals(dice, channel, sequence(), spoof).some(({ number, at }) => take(number, at))) opened++;
    }
    return opened / runs;
  };
}

const knockd = measured(() => {
  const rules = new KnockdRules([{ name: 'door', sequence: SEQUENCE, timeout: TIMEOUT }]);
  return (number, at) => rules.knock('', number, at).some(({ opened }) => opened);
});

function classic(misses: number): Method {
  return measured(() => {
    const gaps = { minGap: 0, maxGap: TIMEOUT * 1000 };
    const steps = SEQUENCE.map((port) => ({ protocol: 'tcp' as const, port, flagsSet: 0, flagsClear: 0, ...gaps }));
    const door: DoorSequence = {
      ...{ door: 0, sequence: 0, steps, timeout: TIMEOUT * 1000, misses },
      ...{ anyOrder: false, target: undefined },
    };
    const matcher = new ClassicMatcher({ sources: 4, attempts: 256, attemptsOfSource: 128 });
    matcher.setSequences([door]);
    const address = new Uint8Array(16);
    const knock: Omit<Knock, 'port'> = { source: address, destination: address, protocol: 'tcp', flags: 2 };
    return (port, at) => matcher.knock({ ...knock, port }, (at * 1000) as UnixMicros).length > 0;
  });
}

/** With the set that is bound to the address, as is the default. */
const keyed: Method = (channel, runs, seed, aimed) => {
  const spoof = aimed ? (dice: Dice): number => KEYED.first + dice.below(KEYED.range) : undefined;
  return simulate(channel, BURST, PARAMETERS, runs, seed, spoof).bound;
};

const METHODS: readonly (readonly [key: string, label: string, method: Method])[] = [
  ['knockd', "knockd's rules", knockd],
  ['classic', 'our door, misses = 0', classic(0)],
  ['forgiving', `our door, misses = ${String(FORGIVING)}`, classic(FORGIVING)],
  ['keyed', 'keyed knocking', keyed],
];

const WORDS = [
  'In each chart one thing is bad.',
  `Doors: three knocks, ${String(GAP)} ms apart.`,
  'Keyed: the defaults, with the set that is',
  'bound to the address.',
  `${RUNS.toLocaleString('en')} knocks for each point, simulated.`,
];

interface Sweep {
  readonly key: string;
  readonly title: string;
  readonly axis: string;
  readonly at: readonly number[];
  readonly channel: (value: number) => Channel;
  readonly aimed?: boolean;
}

const NOISE = [0, 10, 25, 50, 100, 200, 300, 500, 700, 1000];
const SWEEPS: readonly Sweep[] = [
  {
    ...{ key: 'loss', title: 'Packets lost', axis: '% of all packets' },
    at: [0, 5, 10, 15, 20, 25, 30],
    channel: (value) => ({ ...CLEAR, loss: value / 100 }),
  },
  {
    ...{ key: 'reordering', title: 'Packets overtaken', axis: '% held back, by up to 100 ms' },
    at: [0, 10, 20, 40, 60, 80, 100],
    channel: (value) => ({ ...CLEAR, reordering: value / 100 }),
  },
  {
    ...{ key: 'delay', title: 'Delay with jitter', axis: 'ms one way, jitter a third of it' },
    at: [0, 50, 100, 200, 300, 500, 1000, 1500, 2000],
    channel: (value) => ({ ...CLEAR, delay: value, jitter: value / 3 }),
  },
  {
    ...{ key: 'noise', title: 'Spoofed, to any port', axis: "packets/s with the knocker's address" },
    at: NOISE,
    channel: (value) => ({ ...CLEAR, noise: value }),
  },
  {
    ...{ key: 'aimed', title: 'Spoofed, aimed', axis: "packets/s to the door's last port, or in the keyed range" },
    at: NOISE,
    channel: (value) => ({ ...CLEAR, noise: value }),
    aimed: true,
  },
];

function sweep({ at, channel, aimed = false }: Sweep): Record<string, number[]> {
  const values = (method: Method): number[] => at.map((value, i) => method(channel(value), RUNS, i + 1, aimed));
  return Object.fromEntries(METHODS.map(([key, , method]) => [key, values(method)]));
}

/** Success of knocks over a bad channel, simulated: the same numbers on every machine. */
export const knockChannel: Bench = {
  name: 'knock-channel',
  summary:
    "share of knocks that open over a bad channel, simulated: knockd's rules, our doors, keyed; draws docs/plots/knock-channel.svg",
  run(say) {
    const results: Record<string, unknown> = {};
    const panels: Panel[] = [];
    for (const one of SWEEPS) {
      say(`${one.title} …`);
      const values = sweep(one);
      results[one.key] = { at: one.at, ...values };
      const lines = METHODS.map(([key]) => values[key] ?? []);
      panels.push({ title: one.title, axis: one.axis, at: one.at, lines });
    }
    say(`the bad channel, ${String(MANY)} knocks …`);
    const bad = Object.fromEntries(METHODS.map(([key, , method]) => [key, method(BAD, MANY, 1, false)]));
    const ok = (bad['keyed'] ?? 0) >= GOAL;
    mkdirSync(dirname(PLOT), { recursive: true });
    writeFileSync(
      PLOT,
      drawPanels(
        panels,
        METHODS.map(([, label]) => label),
        WORDS,
        'Share of knocks that open',
        'Share of knocks that open over a bad channel',
      ),
    );
    const percent = (share: number | undefined): string => `${((share ?? NaN) * 100).toFixed(2)} %`;
    const lines = [
      `the bad channel (a tenth lost, all overtaken, 300 ms with jitter, 50 spoofed packets/s), ${String(MANY)} knocks each:`,
      ...METHODS.map(([key, label]) => `  ${label.padEnd(24)} ${percent(bad[key]).padStart(8)}`),
      `keyed knocking must reach ${percent(GOAL)}: ${ok ? 'reached' : 'NOT REACHED'}`,
      'plot: docs/plots/knock-channel.svg',
    ];
    const json = { bench: 'knock-channel', runs: RUNS, goal: GOAL, bad: { runs: MANY, ...bad }, ...results };
    return Promise.resolve({ ok, lines, json });
  },
};
