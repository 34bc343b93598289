/** `script/bench smoke`: the small version, for every run of the tests. It fails on ratios to the peers in the same run, never on absolute times. */
import { Arena } from './arena/arena.ts';
import type { ContenderName } from './arena/contender.ts';
import { measureCell } from './metrics/flood.ts';
import { measureLatency } from './metrics/latency.ts';
import { digits, times } from './report/wording.ts';

/**
 * How many times as long a peer takes, at the least: at the median, or its fastest knock, which other work on the machine spoils least. A quiet
 * machine shows two to three times as much.
 */
const FASTER: readonly (readonly [peer: ContenderName, ratio: number])[] = [
  ['fwknopd-udp', 4],
  ['fwknopd', 25],
  ['knockd', 10],
];
/** A noisy machine may spoil one try. */
const TRIES = 3;
const FLOOD = 10_000;
const KNOCKS = 40;

/** What was seen. */
export interface Smoke {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

async function latency(say: (line: string) => void): Promise<Smoke> {
  const names = ['native-1', ...FASTER.map(([peer]) => peer)] as const;
  const rows = await measureLatency(names, { say, rounds: 3, blocks: 1, warmUp: 3 });
  const of = (name: ContenderName) => rows.find(({ contender }) => contender === name);
  const ours = of('native-1');
  const judged = FASTER.flatMap(([peer, ratio]) => {
    const theirs = of(peer);
    if (theirs === undefined || ours === undefined) return [];
    const [atMedian, fastest] = [theirs.median / ours.median, theirs.min / ours.min];
    const line = `${peer} takes ${times(atMedian)} as long as the native format (${digits(ours.median)} ms), its fastest knock ${times(fastest)}; at least ${String(ratio)} are expected`;
    return [{ ok: Math.max(atMedian, fastest) >= ratio, line }];
  });
  return {
    ok: ours?.lost === 0 && judged.every(({ ok }) => ok),
    lines: [`native: lost ${String(ours?.lost)} of ${String(ours?.knocks)}`, ...judged.map(({ line }) => line)],
  };
}

async function flood(say: (line: string) => void): Promise<Smoke> {
  const names = ['native-1', 'fwknopd-udp'] as const;
  await using arena = await Arena.build({ contenders: names, knocks: 2 * KNOCKS });
  const opened = new Map<ContenderName, number>();
  for (const contender of arena.contenders) {
    // Not counted: compilers have to do their work first.
    await arena.crowd({ knocks: arena.knocks(contender, KNOCKS), every: 10, giveUp: 1_000 });
    const junk = contender.name === 'native-1' ? 'length' : 'base64';
    const cell = await measureCell(arena, contender, { contender: contender.name, junk, asked: FLOOD }, KNOCKS);
    opened.set(contender.name, cell.opened);
    say(`${contender.name} under ${String(cell.reached)} packets/s: ${String(cell.opened)} of ${String(KNOCKS)}`);
  }
  const [ours = 0, theirs = 0] = names.map((name) => opened.get(name));
  return {
    ok: ours === KNOCKS || ours > theirs + KNOCKS / 4,
    lines: [
      `under ${FLOOD.toLocaleString('en')} junk packets a second ${String(ours)} of ${String(KNOCKS)} native knocks open, ${String(theirs)} at fwknopd's UDP server`,
    ],
  };
}

/** Measures until each of the two is as it should be, three times at the most. */
export async function smoke(say: (line: string) => void): Promise<Smoke> {
  const lines: string[] = [];
  let ok = true;
  for (const part of [latency, flood]) {
    let last: Smoke = { ok: false, lines: [] };
    for (let i = 0; i < TRIES && !last.ok; i++) last = await part(say);
    ok &&= last.ok;
    lines.push(...last.lines);
  }
  return { ok, lines };
}
