/** Memory: idle, beside the peers; and after junk, spoofed sources, accepted knocks, and a day. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import process from 'node:process';
import { Arena } from '../arena/arena.ts';
import { CONTENDERS, type Contender, type ContenderName } from '../arena/contender.ts';
import { junkPlan } from '../arena/junk-plan.ts';
import { PosternGate } from '../arena/postern-gate.ts';
import type { BurstPlan } from '../burst-prober.ts';
import type { FloodPlan } from '../flood-sender.ts';
import { count, digits, times } from '../report/wording.ts';
import { sleep } from '../sleep.ts';
import { round } from '../statistics.ts';
import { probe } from '../world-process.ts';
import type { Metric } from './metric.ts';

const NAMES = ['native-1', 'fwknop', 'door', 'fwknopd-udp', 'fwknopd', 'knockd'] as const;
const DAY = resolve(import.meta.dirname, '../../../../gate/src/testing/day-of-knocks.ts');
/** Knocks before idle memory is read a second time. */
const BEFORE = 100;
const [PACKETS, JUNK_SECONDS] = [10_000_000, 25] as const;
const [SOURCES, SPOOFED_SECONDS] = [1_000_000, 12] as const;
/** Knocks that are accepted: so many of a device in a run, and at once. */
const [OF_A_DEVICE, AT_ONCE, KNOCKING_SECONDS, IN_A_RUN] = [50, 64, 20, 960] as const;
const MOST_KNOCKS = 12_000;
const KNOCK_NETWORK = '10.120';
/** Seconds of the day from knock to knock. */
const EACH = 20;

interface Flat {
  readonly what: string;
  readonly contender: ContenderName;
  readonly count: number;
  /** MB before, after the first tenth, which fills what has a bound, and after all. */
  readonly before: number;
  readonly filled: number;
  readonly after: number;
}

/** What is kept. */
export interface MemoryResult {
  readonly unit: 'MB';
  readonly idle: readonly { readonly contender: ContenderName; readonly started: number; readonly used: number }[];
  readonly flat: readonly Flat[];
  readonly day: { readonly knocks: number; readonly hours: readonly number[]; readonly megabytes: readonly number[] };
}

/** Reads it when nothing has happened for a moment. */
async function resting(contender: Pick<Contender, 'memory'>): Promise<number> {
  await sleep(1_500);
  return round(contender.memory());
}

/** Valid knocks for some seconds. */
async function accepted(say: (line: string) => void, small: boolean): Promise<Flat> {
  await using stack = new AsyncDisposableStack();
  const arena = stack.use(await Arena.build({ contenders: [], knocks: 0 }));
  const most = small ? IN_A_RUN * 2 : MOST_KNOCKS;
  const options = { network: KNOCK_NETWORK, sources: most, devices: Math.ceil(most / OF_A_DEVICE) };
  const gate = stack.use(await PosternGate.build(arena.world, options));
  const contender = gate.contender('native-1');
  let made = 0;
  const run = async (): Promise<void> => {
    const knocks = Array.from({ length: IN_A_RUN }, (_, i) => contender.knock(made + i));
    made += IN_A_RUN;
    await probe(arena.world, 'burst-prober.ts', { knocks, atOnce: AT_ONCE } satisfies BurstPlan);
  };
  const before = await resting(contender);
  await run();
  const filled = await resting(contender);
  const end = performance.now() + KNOCKING_SECONDS * 1000;
  while (performance.now() < end && made + IN_A_RUN <= most) {
    await run();
    say(`  ${count(made)} knocks`);
  }
  const after = await resting(contender);
  const granted = (gate.files.json('status') as { granted: number }).granted;
  return {
    what: 'accepted knocks, each from its own address',
    contender: 'native-1',
    count: granted,
    before,
    filled,
    after,
  };
}

function day(): MemoryResult['day'] {
  const ran = spawnSync(process.execPath, ['--expose-gc', '--conditions=source', DAY, String(EACH)], {
    encoding: 'utf8',
  });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return JSON.parse(ran.stdout) as MemoryResult['day'];
}

/** Memory. */
export const memoryMetric: Metric<MemoryResult> = {
  name: 'memory',
  title: 'Memory',
  summary: 'idle memory beside the peers, and after millions of junk packets and sources, many knocks and a day',
  seconds: 170,
  async measure({ say, small }) {
    const flat: Flat[] = [];
    const idle: { contender: ContenderName; started: number; used: number }[] = [];
    {
      await using arena = await Arena.build({ contenders: NAMES, knocks: BEFORE });
      await sleep(2_000);
      const started = new Map(arena.contenders.map((contender) => [contender.name, round(contender.memory())]));
      for (const contender of arena.contenders)
        await arena.crowd({ knocks: arena.knocks(contender, BEFORE), every: 25, giveUp: 1_500 });
      for (const contender of arena.contenders) {
        const used = await resting(contender);
        idle.push({ contender: contender.name, started: started.get(contender.name) ?? NaN, used });
        say(`${contender.name}: ${digits(used)} MB`);
      }
      const flood = async (what: string, name: ContenderName, more: Partial<FloodPlan> & Pick<FloodPlan, 'kind'>) => {
        const contender = arena.contenders.find((it) => it.name === name);
        if (contender === undefined) return;
        const before = await resting(contender);
        const plan = junkPlan(arena, contender, { kind: more.kind, rate: 0, seconds: small ? 2 : JUNK_SECONDS });
        const whole = { ...plan, ...more };
        const part = (share: number): Promise<{ readonly sent: number }> =>
          arena.flood({ ...whole, seconds: whole.seconds * share, most: (whole.most ?? Infinity) * share });
        const first = await part(0.1);
        const filled = await resting(contender);
        const last = await part(0.9);
        const after = await resting(contender);
        const sent = first.sent + last.sent;
        flat.push({ what, contender: name, count: sent, before, filled, after });
        say(`${what}: ${count(sent)}, ${[before, filled, after].map(digits).join(', ')} MB`);
      };
      const seconds = small ? 2 : SPOOFED_SECONDS;
      await flood('junk behind a copied nonce and tag', 'native-1', { kind: 'copied', most: PACKETS });
      await flood('bodies with a right mac that do not unseal', 'native-1', { kind: 'unsealed', seconds });
      await flood("SYNs to doors' ports, each from a source of its own", 'door', {
        ...{ kind: 'spoofed-syn', wide: true, most: SOURCES, seconds },
      });
      await flood("packets of fwknop's shape, each from a source of its own", 'fwknop', {
        ...{ kind: 'spoofed-base64', wide: true, most: SOURCES, seconds },
      });
    }
    say('accepted knocks …');
    flat.push(await accepted(say, small));
    say('a day …');
    return { unit: 'MB', idle, flat, day: day() };
  },
  tell({ idle, flat, day: { knocks, hours, megabytes } }) {
    const least = Math.min(...idle.map(({ used }) => used));
    return [
      'Proportional set size of all processes of a daemon: after its start, and after 100 knocks. The gate is the one that the packages install. Pages that several programs have in use count in part for each: three gates run here side by side, and a gate that is alone with its Node takes some 25 MB more.',
      {
        head: ['', 'started, MB', 'after 100 knocks, MB', 'to the smallest'],
        align: 'lrrr',
        rows: idle.map(({ contender, started, used }) => [
          CONTENDERS[contender],
          digits(started),
          digits(used),
          times(used / least),
        ]),
      },
      'As many as fitted the time of the run. The first tenth fills what has a bound, and has compilers done; after it memory should stay:',
      {
        head: ['what', 'how many', 'before, MB', 'after a tenth, MB', 'after all, MB', 'more, MB'],
        align: 'lrrrrr',
        rows: flat.map((row) => [
          `${row.what} (${CONTENDERS[row.contender]})`,
          count(row.count),
          digits(row.before),
          digits(row.filled),
          digits(row.after),
          (row.after - row.filled).toFixed(1),
        ]),
      },
      `A day of simulated time, ${count(knocks)} knocks, through the sentry's checks, the monitor's record and its book of grants in one process; memory in use after a collection:`,
      {
        head: hours.map((hour) => (hour === 1 ? '1 hour' : `${String(hour)} hours`)),
        align: 'r'.repeat(hours.length),
        rows: [megabytes.map((value) => `${digits(value)} MB`)],
      },
    ];
  },
  ratios({ idle }) {
    const of = (name: ContenderName): number => idle.find(({ contender }) => contender === name)?.used ?? NaN;
    return [
      `An idle gate takes ${digits(of('native-1'))} MB, fwknopd ${digits(of('fwknopd-udp'))} MB, knockd ${digits(of('knockd'))} MB: ${times(of('native-1') / of('fwknopd-udp'))} fwknopd's.`,
    ];
  },
};
