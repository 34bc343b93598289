/** What a stranger's packet costs a server: processor time by kind of junk, while nobody else knocks. */
import { Arena } from '../arena/arena.ts';
import { CONTENDERS, type Contender, type ContenderName } from '../arena/contender.ts';
import { junkPlan, SHAPED } from '../arena/junk-plan.ts';
import { JUNK, type JunkKind } from '../flood-sender.ts';
import { count, digits } from '../report/wording.ts';
import { sleep } from '../sleep.ts';
import { round } from '../statistics.ts';
import type { Metric } from './metric.ts';

const NAMES = ['native-1', 'fwknop', 'door', 'keyed', 'fwknopd-udp', 'fwknopd', 'knockd'] as const;
/** Packets in a second, and for how many seconds: the kernel counts in steps of 10 ms. */
const [RATE, SECONDS] = [20_000, 2.5] as const;

interface Row {
  readonly contender: ContenderName;
  /** `rest`: nothing was sent, for as long; what a server does by itself, for each of as many packets as might have been sent. */
  readonly junk: JunkKind | 'rest';
  readonly sent: number;
  /** Microseconds of the server's processes for each packet that was sent. */
  readonly user: number;
  readonly system: number;
  /** Microseconds of the sender, in which the kernel brings the packet up to the server's socket and through its filter. */
  readonly sender: number;
}

/** What is kept. */
export interface StrangerResult {
  readonly unit: 'µs';
  readonly rows: readonly Row[];
  readonly leftOut: number;
}

/** Waits until a server has done what it had to do, but not for long: some have more than they can. */
async function settle(contender: Contender): Promise<void> {
  const used = (): number => contender.cpu().user + contender.cpu().system;
  const end = performance.now() + 5_000;
  for (let before = -1, now = used(); now - before > 0.01 && performance.now() < end;) {
    await sleep(300);
    [before, now] = [now, used()];
  }
}

/** Nothing is sent. */
async function rest(seconds: number): Promise<{ sent: number; userMicros: number; systemMicros: number }> {
  await sleep(seconds * 1000);
  return { sent: RATE * seconds, userMicros: 0, systemMicros: 0 };
}

async function measure(arena: Arena, contender: Contender, junk: Row['junk'], seconds: number): Promise<Row> {
  await settle(contender);
  const before = contender.cpu();
  const { sent, userMicros, systemMicros } =
    junk === 'rest'
      ? await rest(seconds)
      : await arena.flood(junkPlan(arena, contender, { kind: junk, rate: RATE, seconds }));
  await settle(contender);
  const after = contender.cpu();
  const each = (of: 'user' | 'system'): number => round(((after[of] - before[of]) * 1e6) / sent);
  contender.close();
  return {
    contender: contender.name,
    junk,
    sent,
    user: each('user'),
    system: each('system'),
    sender: round((userMicros + systemMicros) / sent),
  };
}

/** The price of a stranger's packet. */
export const strangerMetric: Metric<StrangerResult> = {
  name: 'stranger',
  title: 'Cost of a stranger',
  summary: "processor time for each junk packet of each kind, ours and the peers'",
  seconds: 130,
  async measure({ say, until, small }) {
    await using arena = await Arena.build({ contenders: NAMES, knocks: 20 });
    for (const contender of arena.contenders.filter(({ name }) => name !== 'keyed'))
      await arena.crowd({ knocks: arena.knocks(contender, 20), every: 25, giveUp: 1_500 });
    const own: readonly JunkKind[] = ['copied', 'unsealed', 'valid', 'base64'];
    const wanted = NAMES.flatMap((name) =>
      ['rest' as const, 'random' as const, ...SHAPED[name], ...(name === 'native-1' ? own : [])].map((junk) => ({
        name,
        junk,
      })),
    );
    const rows: Row[] = [];
    let leftOut = 0;
    for (const { name, junk } of wanted) {
      const contender = arena.contenders.find((it) => it.name === name);
      if (contender === undefined) continue;
      if (performance.now() > until) {
        leftOut++;
        continue;
      }
      const row = await measure(arena, contender, junk, small ? 1 : SECONDS);
      rows.push(row);
      say(`${name}, ${junk}: ${digits(row.user)} + ${digits(row.system)} µs a packet`);
    }
    return { unit: 'µs', rows, leftOut };
  },
  tell({ rows, leftOut }) {
    return [
      `Processor time of all processes of a server, with the programs that it runs, for each packet that was sent, by /proc/PID/stat: ${count(RATE)} packets a second for ${String(SECONDS)} s, ` +
        'or as many valid requests as a device can seal. Beside it, at rest: what the server takes in the same time when nothing is sent, divided by as many packets. What the kernel drops before a process sees it costs the server no time of its own; the kernel’s part up to the socket is in the time of ' +
        'the sender here, because a veth pair delivers in the sender’s time. Doors and keyed knocks are heard by one gate, which has both. A server that hears only a part of the packets looks cheaper than it is: see the flood.',
      {
        head: ['', 'junk', 'packets', 'user, µs', 'system, µs', 'sender, µs'],
        align: 'llrrrr',
        rows: rows.map(({ contender, junk, sent, user, system, sender }) => [
          CONTENDERS[contender],
          junk === 'rest' ? 'at rest: none' : JUNK[junk],
          junk === 'rest' ? '0' : count(sent),
          digits(user),
          digits(system),
          digits(sender),
        ]),
      },
      ...(leftOut === 0 ? [] : [`For ${String(leftOut)} rows there was no time.`]),
    ];
  },
  ratios({ rows }) {
    const of = (name: ContenderName, junk: Row['junk']): number =>
      rows.find((it) => it.contender === name && it.junk === junk)?.user ?? NaN;
    return [
      `A junk packet of the right length costs ${digits(of('native-1', 'length'))} µs of user time at our gate, which takes ${digits(of('native-1', 'rest'))} µs when none comes: the kernel's filter refuses it. At fwknopd's UDP server one of the right shape costs ${digits(of('fwknopd-udp', 'base64'))} µs.`,
    ];
  },
};
