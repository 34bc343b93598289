/** What many standing grants cost: new ones in a second, the end of one, and the next packet meanwhile. */
import { Namespace } from '../../namespace.ts';
import { askGate } from '../arena/ask-gate.ts';
import { SERVICE_PORT } from '../arena/contender.ts';
import { PosternGate } from '../arena/postern-gate.ts';
import type { CrowdPlan } from '../crowd-prober.ts';
import { count, digits, milliseconds } from '../report/wording.ts';
import { sleep } from '../sleep.ts';
import { median, round, summarise, type Summary } from '../statistics.ts';
import { probe } from '../world-process.ts';
import type { Metric } from './metric.ts';

const NETWORK = '10.110';
const STANDING = [1, 1_000, 50_000] as const;
/** Knocks at once: within all rates of the gate, and what the line from sentry to monitor holds while the monitor is busy. */
const BURST = 200;
const ROUNDS = 5;
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
  seconds: 120,
  async measure({ say, small }) {
    const rounds = small ? 1 : ROUNDS;
    const sources = STANDING.length * (1 + 2 * rounds) * BURST + 4 * MEANWHILE;
    await using stack = new AsyncDisposableStack();
    const world = stack.use(new Namespace('world'));
    const gate = stack.use(await PosternGate.build(world, { network: NETWORK, sources, devices: Math.ceil(sources / 50) }));
    const contender = gate.contender('native-1');
    let used = 0;
    const knocks = (size: number): CrowdPlan['knocks'] => {
      used += size;
      return Array.from({ length: size }, (_, i) => contender.knock(used - size + i));
    };
    const granted = async (): Promise<number> =>
      ((await askGate(gate.files, 'status')).value as { granted: number }).granted;
    const rows: Row[] = [];
    for (const standing of STANDING) {
      await stand(gate, standing);
      await probe(world, 'burst-prober.ts', knocks(BURST));
      for (const blocked of [false, true]) {
        if (blocked) block(gate, true);
        const rates: number[] = [];
        const before = await granted();
        for (let i = 0; i < rounds; i++) {
          // The rations of the gate are full again.
          await sleep(500);
          const [took] = await probe(world, 'burst-prober.ts', knocks(BURST));
          if (typeof took === 'number') rates.push((BURST * 1000) / took);
        }
        if (blocked) block(gate, false);
        const row = {
          standing,
          blocklist: blocked ? BLOCKLIST : 0,
          perSecond: Math.round(median(rates)),
          granted: (await granted()) - before,
          asked: rounds * BURST,
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
      `${count(BURST)} valid knocks of suite 1 at once, each from its own address, until the last is open; the gate verifies and records every one of them. ` +
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
