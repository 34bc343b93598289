/**
 * `node start-prober.ts FILE`: makes one knock again and again, each 10 ms, until the service answers. Prints a line `going` after the first, and then
 * one JSON line `{ "answered": milliseconds since the epoch }`. Runs in the world, for half a minute at the most.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { PlannedKnock } from './arena/contender.ts';
import { openKnock } from './arena/knock-sockets.ts';
import { tightTimers, wait } from './native-socket.ts';

const AGAIN = 10;
const PATIENCE = 30_000;

const knock = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as PlannedKnock;
tightTimers();
using sockets = openKnock(knock);
const { packets, probe } = sockets;
let answered: number | null = null;
let sent = -Infinity;
const begun = performance.now();
for (let now = begun, going = false; now < begun + PATIENCE; now = performance.now()) {
  if (now - sent >= AGAIN) {
    sent = now;
    for (const packet of packets) packet();
    if (!going) process.stdout.write('going\n');
    going = true;
  }
  probe.send();
  if (wait([], [probe.fd], 1_000).length === 0 || !probe.answered()) continue;
  answered = performance.timeOrigin + performance.now();
  break;
}
process.stdout.write(`${JSON.stringify({ answered })}\n`);
