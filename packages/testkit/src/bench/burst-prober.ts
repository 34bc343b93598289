/**
 * `node burst-prober.ts FILE`: makes all knocks of a plan at once and measures until the service answers the last of them. Runs in the world; prints
 * `{ "milliseconds": [number | null] }`, null where the last was not answered within ten seconds.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { PlannedKnock } from './arena/contender.ts';
import { openKnock } from './arena/knock-sockets.ts';
import { awaitAnswer } from './await-answer.ts';
import { tightTimers } from './native-socket.ts';

const PATIENCE = { quiet: 1_000, late: 1_000, giveUp: 10_000_000 } as const;

const knocks = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as readonly PlannedKnock[];
tightTimers();
const all = knocks.map((knock) => openKnock(knock));
const begun = performance.now();
for (const { packets } of all) for (const packet of packets) packet();
const last = all.at(-1);
const milliseconds = last === undefined ? undefined : awaitAnswer(last.probe, begun, PATIENCE);
for (const sockets of all) sockets[Symbol.dispose]();
process.stdout.write(`${JSON.stringify({ milliseconds: [milliseconds ?? null] })}\n`);
