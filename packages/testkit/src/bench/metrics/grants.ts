/** What many standing grants cost: new ones in a second, the end of one, and the next packet meanwhile. */
import { Namespace } from '../../namespace.ts';
import { askGate } from '../arena/ask-gate.ts';
import { SERVICE_PORT } from '../arena/contender.ts';
import { PosternGate } from '../arena/postern-gate.ts';
import type { BurstPlan } from '../burst-prober.ts';
import type { CrowdPlan } from '../crowd-prober.ts';
import { count, digits, milliseconds } from '../report/wording.ts';
import { sleep } from '../sleep.ts';
import { median, round, summarise, type Summary } from '../statistics.ts';
import { probe } from '../world-process.ts';
import type { Metric } from './metric.ts';

const NETWORK = '10.110';
const STANDING = [1, 1_000, 50_000] as const;
/** Knocks of a round, and how many of them at once: the line from sentry to monitor holds some more while the monitor is busy. */
const [KNOCKS, AT_ONCE] = [384, 64] as const;
const ROUNDS = 3;
/** Knocks and milliseconds between them while something else is going on. */
const [MEANWHILE, EVERY] = [60, 25] as const;
const REVOKED = 20;
const BLOCKLIST = 20_000;

interface Row {
  readonly standing: number;
  readonly blocklist: number;
  /** Grants in a second: median of the rounds. */
  readonly perSecond: number;
  /** Grants that were made, of those that were asked for. */
  readonly granted: number;
  readonly asked: number;
}

/** What is kept. */
export interface GrantsResult {
  readonly rows: readonly Row[];
  /** With the most grants standing. Milliseconds. */
  readonly revoke: { readonly median: number; readonly worst: number };
  readonly meanwhile: readonly { readonly what: string; readonly knocks: Summary; readonly worst: number }[];
}

/** Puts grants into the kernel as they would be after so many knocks; a start adopts them. */
async function stand(gate: PosternGate, standing: number): Promise<void> {
  await gate.files.stop();
  const elements = Array.from({ length: standing }, (_, i) => {
    const address = `172.${String(16 + (i >> 16))}.${String((i >> 8) & 255)}.${String(i & 255)}`;
    return `${address} . tcp . ${String(SERVICE_PORT)} timeout 3600s comment "${i.toString(16).padStart(16, '0')}"`;
  });
  gate.namespace.run('nft', ['flush', 'set', 'inet', 'postern', 'open4']);
  gate.namespace.run('nft', ['-f', '-'], `add element inet postern open4 { ${elements.join(', ')} }\n`);
  await gate.files.start(60_000);
}

/** An interval set of somebody else's in the same ruleset. */
function block(gate: PosternGate, on: boolean): void {
  const table = ['table', 'inet', 'blocklist'];
  if (!on) {
    gate.namespace.run('nft', ['delete', ...table]);
    return;
  }
  const elements = Array.from({ length: BLOCKLIST }, (_, i) => `40.${String(i >>> 7)}.${String((i & 127) * 2)}.1`);
  const set = `set blocked { type ipv4_addr; flags interval; elements = { ${elements.join(', ')} }\n }`;
  gate.namespace.run('nft', ['-f', '-'], `${table.join(' ')} {\n ${set}\n}\n`);
}

/** Many grants. */
export const grantsMetric: Metric<GrantsResult> = {
  name: 'grants',
  title: 'Grants',
  summary: `grants in a second with ${STANDING.map(count).join(', ')} standing, the end of one, and the next packet meanwhile`,
  seconds: 100,
  async measure({ say, small }) {
    const rounds = small ? 1 : ROUNDS;
    const sources = STANDING.length * (1 + 2 * rounds) * KNOCKS + 4 * MEANWHILE;
    await using stack = new AsyncDisposableStack();
    const world = stack.use(new Namespace('world'));
    const gate = stack.use(
      await PosternGate.build(world, { network: NETWORK, sources, devices: Math.ceil(sources / 50) }),
    );
    const contender = gate.contender('native-1');
    let used = 0;
    const knocks = (size: number): CrowdPlan['knocks'] => {
      used += size;
      return Array.from({ length: size }, (_, i) => contender.knock(used - size + i));
    };
    const granted = async (): Promise<number> =>
      ((await askGate(gate.files, 'status')).value as { granted: number }).granted;
    const burst = (): Promise<(number | null)[]> =>
      probe(world, 'burst-prober.ts', { knocks: knocks(KNOCKS), atOnce: AT_ONCE } satisfies BurstPlan);
    const rows: Row[] = [];
    for (const standing of STANDING) {
      await stand(gate, standing);
      await burst();
      for (const blocked of [false, true]) {
        if (blocked) block(gate, true);
        const rates: number[] = [];
        const before = await granted();
        for (let i = 0; i < rounds; i++) {
          // The rations of the gate are full again.
          await sleep(500);
          const took = (await burst()).filter((value) => value !== null);
          rates.push((AT_ONCE * took.length * 1000) / took.reduce((sum, value) => sum + value, 0));
        }
        if (blocked) block(gate, false);
        const row = {
          standing,
          blocklist: blocked ? BLOCKLIST : 0,
          // A round in which nothing was answered in time has no rate; `granted` tells of it.
          perSecond: Math.round(median(rates.filter(Number.isFinite))),
          granted: (await granted()) - before,
          asked: rounds * KNOCKS,
        };
        rows.push(row);
        say(
          `${count(standing)} standing${blocked ? ', with a blocklist' : ''}: ${count(row.perSecond)} grants/s, ${count(row.granted)} of ${count(row.asked)}`,
        );
      }
    }
    const meanwhile: GrantsResult['meanwhile'][number][] = [];
    const during = async (what: string, work: () => Promise<void>): Promise<void> => {
      await sleep(1_500);
      const plan: CrowdPlan = { knocks: knocks(MEANWHILE), every: EVERY, giveUp: 3_000 };
      const probing = probe(world, 'crowd-prober.ts', plan);
      await sleep(400);
      const [took] = await Promise.all([probing, work()]);
      const worst = round(Math.max(...took.map((value) => value ?? Infinity)));
      meanwhile.push({ what, knocks: summarise(took), worst });
      say(`${what}: worst ${digits(worst)} ms`);
    };
    const revoked: number[] = [];
    await during('nothing else', () => Promise.resolve());
    await during(`${String(REVOKED)} grants ended by command`, async () => {
      for (let i = 0; i < REVOKED; i++) {
        const id = (i * 2_000 + 7).toString(16).padStart(16, '0');
        revoked.push((await askGate(gate.files, 'grant.end', { id })).milliseconds);
      }
    });
    await during('`posternd grant list`, its first page', async () => {
      await askGate(gate.files, 'grant.list');
    });
    await during('`posternd status`', async () => {
      await askGate(gate.files, 'status');
    });
    return {
      rows,
      revoke: { median: round(median(revoked)), worst: round(Math.max(...revoked)) },
      meanwhile,
    };
  },
  tell({ rows, revoke, meanwhile }) {
    return [
      `${count(KNOCKS)} valid knocks of suite 1, ${String(AT_ONCE)} at once and the next when the last of these is open, each from its own address; the gate verifies and records every one of them. ` +
        `The blocklist is an interval set of ${count(BLOCKLIST)} entries in another table.`,
      {
        head: ['standing grants', 'blocklist', 'grants a second', 'granted'],
        align: 'rrrr',
        rows: rows.map((row) => [
          count(row.standing),
          count(row.blocklist),
          count(row.perSecond),
          `${count(row.granted)} of ${count(row.asked)}`,
        ]),
      },
      `One of ${count(STANDING[2])} ends in ${milliseconds(revoke.median)} ms at the median, ${milliseconds(revoke.worst)} ms at worst, from the question at the socket to the answer.`,
      `The next packet, with ${count(STANDING[2])} standing, while:`,
      {
        head: ['meanwhile', 'knocks', 'lost', 'median, ms', 'worst, ms'],
        align: 'lrrrr',
        rows: meanwhile.map(({ what, knocks, worst }) => [
          what,
          String(knocks.n),
          String(knocks.lost),
          milliseconds(knocks.median),
          milliseconds(worst),
        ]),
      },
    ];
  },
  ratios({ rows }) {
    const of = (standing: number, blocklist: number): number =>
      rows.find((row) => row.standing === standing && row.blocklist === blocklist)?.perSecond ?? NaN;
    const [one, many] = [of(STANDING[0], 0), of(STANDING[2], BLOCKLIST)];
    return [
      `With ${count(STANDING[2])} grants standing and a blocklist of ${count(BLOCKLIST)} elsewhere, the gate makes ${count(many)} grants a second; with one and none, ${count(one)}.`,
    ];
  },
};
