/** What many enrolled devices cost: a valid packet, the start, a reload, memory. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Namespace } from '../../namespace.ts';
import { askGate } from '../arena/ask-gate.ts';
import { PosternGate } from '../arena/postern-gate.ts';
import { count, digits, milliseconds, times } from '../report/wording.ts';
import { median, round, summarise } from '../statistics.ts';
import { probe } from '../world-process.ts';
import type { Metric } from './metric.ts';

/** One device knocks; the others are enrolled and never do. */
const SIZES = [1, 1_000, 100_000, 1_000_000] as const;
/** For this many only when there is this much time left, in ms. */
const [LARGE, LARGE_TAKES] = [1_000_000, 110_000] as const;
/** Together not more than the 64 knocks that a device may make at once. */
const [ROUNDS, BLOCK, WARM_UP] = [5, 10, 14] as const;

interface Row {
  readonly devices: number;
  /** Milliseconds: median of the rounds' medians, and p99 of all knocks. */
  readonly median: number;
  readonly p99: number;
  readonly lost: number;
  /** Seconds until `posternd run` is ready, and until `reload` after a device was added is done. */
  readonly start: number;
  readonly reload: number;
  /** MB, of all processes. */
  readonly memory: number;
}

/** What is kept. */
export interface DevicesResult {
  readonly rows: readonly Row[];
}

interface Measured {
  readonly gate: PosternGate;
  readonly devices: number;
  readonly start: number;
  readonly memory: number;
  readonly rounds: (number | null)[][];
}

async function startGate(world: Namespace, network: string, devices: number): Promise<Measured> {
  const sources = ROUNDS * BLOCK + WARM_UP;
  const gate = await PosternGate.build(world, {
    network,
    sources,
    devices: 1,
    more: devices - 1,
    harm: false,
    start: false,
  });
  const begun = performance.now();
  await gate.files.start(LARGE_TAKES);
  const start = round((performance.now() - begun) / 1000);
  return { gate, devices, start, memory: Math.round(gate.files.memory()), rounds: [] };
}

async function reload({ gate }: Measured): Promise<number> {
  writeFileSync(join(gate.files.directory, 'users.d/added.toml'), 'services = ["bench"]\n', { mode: 0o600 });
  return round((await askGate(gate.files, 'reload')).milliseconds / 1000);
}

/** Many devices. */
export const devicesMetric: Metric<DevicesResult> = {
  name: 'devices',
  title: 'Devices',
  summary: `${SIZES.map(count).join(', ')} enrolled devices: a valid packet, start, reload, memory`,
  seconds: 150,
  async measure({ say, until, small }) {
    await using stack = new AsyncDisposableStack();
    const world = stack.use(new Namespace('world'));
    const all: Measured[] = [];
    for (const [i, devices] of SIZES.entries()) {
      if (devices >= LARGE && (small || performance.now() + LARGE_TAKES > until)) continue;
      say(`${count(devices)} devices …`);
      const one = await startGate(world, `10.${String(100 + i)}`, devices);
      stack.use(one.gate);
      say(`  ready after ${digits(one.start)} s, ${String(one.memory)} MB`);
      all.push(one);
    }
    let used = 0;
    const knocks = async (size: number): Promise<void> => {
      for (const { gate, rounds } of all) {
        const contender = gate.contender('native-1');
        const plan = Array.from({ length: size }, (_, i) => ({ ...contender.knock(used + i), rest: 2 }));
        rounds.push(await probe(world, 'turn-prober.ts', plan));
      }
      used += size;
    };
    say('knocks to warm up …');
    await knocks(WARM_UP);
    for (const { rounds } of all) rounds.length = 0;
    for (let i = 1; i <= ROUNDS; i++) {
      say(`round ${String(i)} of ${String(ROUNDS)} …`);
      await knocks(BLOCK);
    }
    const rows: Row[] = [];
    for (const one of all) {
      const { devices, start, memory, rounds } = one;
      const { p99, lost } = summarise(rounds.flat());
      const middle = round(median(rounds.map((each) => summarise(each).median)));
      rows.push({ devices, median: middle, p99, lost, start, reload: await reload(one), memory });
    }
    return { rows };
  },
  tell({ rows }) {
    const first = rows[0];
    return [
      `Gates with so many devices run side by side; one device of each knocks, ${String(BLOCK)} times in its turn. Suite 1; packet to open service. Reload: one user was added.`,
      {
        head: [
          'devices',
          'median, ms',
          'p99, ms',
          'lost',
          `to ${count(first?.devices ?? 0)}`,
          'start, s',
          'reload, s',
          'memory, MB',
        ],
        align: 'rrrrrrrr',
        rows: rows.map((row) => [
          count(row.devices),
          milliseconds(row.median),
          milliseconds(row.p99),
          String(row.lost),
          times(row.median / (first?.median ?? NaN)),
          digits(row.start),
          digits(row.reload),
          count(row.memory),
        ]),
      },
    ];
  },
  ratios({ rows }) {
    const [first, most] = [rows[0], rows.findLast(({ devices }) => devices <= 100_000)];
    return first === undefined || most === undefined
      ? []
      : [
          `With ${count(most.devices)} devices a valid packet takes ${times(most.median / first.median)} what it takes with ${count(first.devices)}.`,
        ];
  },
};
