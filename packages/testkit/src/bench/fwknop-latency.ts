/** From fwknop's packet to the open service: posternd and Debian's fwknopd in both of its modes in the same run, by turns. */
import { fwknopServerAvailable, type FwknopServerKind } from '../fwknop-server.ts';
import { Namespace } from '../namespace.ts';
import type { Bench } from './bench.ts';
import { SERVICE_PORT } from './arena/contender.ts';
import { FwknopGate } from './fwknop-gate.ts';
import type { FwknopPlan } from './fwknop-prober.ts';
import { summarise, type Summary } from './statistics.ts';
import { probe } from './world-process.ts';

const ROUNDS = 100;
/** Not measured: compilers, caches. */
const WARM_UP = 50;
/** Packets to one server before the next has its turn. */
const BLOCK = 10;
/** The rest before each, in ms, and at random up to as much again as the server itself rests between two looks: fwknopd sniffs every 100 ms. */
const PAUSE = 2;
const LOOKS: Readonly<Record<FwknopServerKind, number>> = { posternd: 0, fwknopd: 100, 'fwknopd-udp': 0 };
const GOAL = 2;
const KINDS: readonly FwknopServerKind[] = ['posternd', 'fwknopd', 'fwknopd-udp'];

/** Packet of fwknop's to service answering. */
export const fwknopLatency: Bench = {
  name: 'latency --protocol fwknop',
  summary: `milliseconds from fwknop's packet to the service answering: posternd, and Debian's fwknopd in both modes, ${String(ROUNDS)} rounds by turns`,
  async run(say) {
    const kinds = KINDS.filter(fwknopServerAvailable);
    const rounds = WARM_UP + ROUNDS;
    await using stack = new AsyncDisposableStack();
    const world = stack.use(new Namespace('world'));
    const requests: FwknopPlan['knocks'][] = [];
    for (const [i, kind] of kinds.entries()) {
      const network = `10.${String(94 + i)}`;
      const gate = stack.use(await FwknopGate.start(kind, world, network, { stanzas: 1, sources: rounds }));
      say(`${kind}: ${String(rounds)} packets by the real client …`);
      const all: FwknopPlan['knocks'][number][] = [];
      for (let index = 0; index < rounds; index++)
        all.push({ ...(await gate.request(index)), pause: PAUSE + Math.random() * LOOKS[kind] });
      requests.push(all);
    }
    say(`${String(rounds)} rounds …`);
    const knocks = Array.from({ length: rounds / BLOCK }, (_, turn) =>
      requests.flatMap((all) => all.slice(turn * BLOCK, (turn + 1) * BLOCK)),
    ).flat();
    const plan: FwknopPlan = { servicePort: SERVICE_PORT, knocks };
    const milliseconds = await probe(world, 'fwknop-prober.ts', plan);
    const summaries = kinds.map((kind, which): readonly [FwknopServerKind, Summary] => [
      kind,
      summarise(milliseconds.filter((_, at) => Math.floor(at / BLOCK) % kinds.length === which).slice(WARM_UP)),
    ]);
    const results = new Map(summaries);
    const ours = results.get('posternd');
    const ok = ours === undefined || (ours.lost === 0 && ours.median <= GOAL);
    return {
      ok,
      lines: [
        ...summaries.map(
          ([kind, { lost, min, median, p99 }]) =>
            `${kind.padEnd(12)} lost ${String(lost)}, min ${String(min)} ms, median ${String(median)} ms, p99 ${String(p99)} ms`,
        ),
        ...(ours === undefined
          ? []
          : [`goal: median of posternd at most ${String(GOAL)} ms: ${ok ? 'reached' : 'NOT REACHED'}`]),
      ],
      json: {
        bench: 'latency',
        protocol: 'fwknop',
        unit: 'ms',
        rounds: ROUNDS,
        goal: GOAL,
        ...Object.fromEntries(results),
      },
    };
  },
};
