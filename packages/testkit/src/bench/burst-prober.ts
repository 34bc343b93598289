/**
 * `node burst-prober.ts FILE`: makes the knocks of a plan, so many of them at once; when the service answers the last of these, the next. Runs in
 * the world; prints `{ "milliseconds": [number | null, …] }`, for each such burst; null where the last was not answered within two seconds.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { PlannedKnock } from './arena/contender.ts';
import { openKnock } from './arena/knock-sockets.ts';
import { awaitAnswer } from './await-answer.ts';
import { tightTimers } from './native-socket.ts';

/** What the prober is told. */
export interface BurstPlan {
  readonly knocks: readonly PlannedKnock[];
  readonly atOnce: number;
}

const PATIENCE = { quiet: 1_000, late: 1_000, giveUp: 2_000_000 } as const;

const { knocks, atOnce } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as BurstPlan;
tightTimers();
const all = knocks.map((knock) => openKnock(knock));
const milliseconds: (number | null)[] = [];
for (let at = 0; at < all.length; at += atOnce) {
  const burst = all.slice(at, at + atOnce);
  const begun = performance.now();
  for (const { packets } of burst) for (const packet of packets) packet();
  const last = burst.at(-1);
  milliseconds.push((last === undefined ? undefined : awaitAnswer(last.probe, begun, PATIENCE)) ?? null);
}
for (const sockets of all) sockets[Symbol.dispose]();
process.stdout.write(`${JSON.stringify({ milliseconds })}\n`);
