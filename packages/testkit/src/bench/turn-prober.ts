/**
 * `node turn-prober.ts FILE`: makes knocks of any kind, one after the other, and measures from the departure of the last packet that each needs until
 * the service answers. The same probe for all. Runs in the world; prints `{ "milliseconds": [number | null, …] }`, null where nothing
 * answered within two seconds.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { PlannedKnock } from './arena/contender.ts';
import { openKnock } from './arena/knock-sockets.ts';
import { awaitAnswer } from './await-answer.ts';
import { tightTimers, wait } from './native-socket.ts';

/** From packet to packet of a knock, in microseconds. */
const GAP = 2_000;
const PATIENCE = { quiet: 100, late: 1_000, giveUp: 2_000_000 } as const;

function knockAndProbe(knock: PlannedKnock): number | null {
  wait([], [], knock.rest * 1000);
  using sockets = openKnock(knock);
  for (const packet of sockets.packets.slice(0, -1)) {
    packet();
    wait([], [], GAP);
  }
  const sent = performance.now();
  sockets.packets.at(-1)?.();
  return awaitAnswer(sockets.probe, sent, PATIENCE) ?? null;
}

const knocks = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as readonly PlannedKnock[];
tightTimers();
process.stdout.write(`${JSON.stringify({ milliseconds: knocks.map(knockAndProbe) })}\n`);
