/**
 * `node crowd-prober.ts FILE`: makes knocks at fixed times, whether those before them were answered or not, and measures as `turn-prober.ts` does,
 * to a millisecond. Runs in the world; prints `{ "milliseconds": [number | null, …] }`, null where nothing answered in time.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { PlannedKnock } from './arena/contender.ts';
import { openKnock, type KnockSockets } from './arena/knock-sockets.ts';
import { tightTimers, wait } from './native-socket.ts';

/** What the prober is told. */
export interface CrowdPlan {
  readonly knocks: readonly PlannedKnock[];
  /** Milliseconds from knock to knock. */
  readonly every: number;
  /** Milliseconds until one that was not answered counts as lost. */
  readonly giveUp: number;
}

/** Milliseconds from packet to packet of a knock. */
const GAP = 2;

/** Milliseconds until the next probe: the later it is, the less a millisecond means, and each takes time that the server needs. */
function probeAfter(elapsed: number): number {
  return elapsed < 20 ? 1 : elapsed < 200 ? 5 : 50;
}

class Flight {
  readonly sockets: KnockSockets;
  readonly #giveUp: number;
  #left: (() => void)[];
  #sent = 0;
  /** When it has something to do. */
  due: number;
  answered: number | null = null;
  over = false;

  constructor(sockets: KnockSockets, due: number, giveUp: number) {
    this.sockets = sockets;
    this.#left = [...sockets.packets];
    this.due = due;
    this.#giveUp = giveUp;
  }

  work(now: number): void {
    const [packet, ...left] = this.#left;
    if (packet !== undefined) {
      this.#sent = performance.now();
      packet();
      this.#left = left;
      this.due = now + (left.length > 0 ? GAP : 1);
      return;
    }
    if (now - this.#sent > this.#giveUp) this.#end(null);
    else {
      this.sockets.probe.send();
      this.due = now + probeAfter(now - this.#sent);
    }
  }

  hear(): void {
    if (this.sockets.probe.answered()) this.#end(performance.now() - this.#sent);
  }

  #end(answered: number | null): void {
    this.answered = answered;
    this.over = true;
    this.sockets[Symbol.dispose]();
  }
}

const { knocks, every, giveUp } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as CrowdPlan;
tightTimers();
const begun = performance.now() + 20;
const flights: Flight[] = [];
for (;;) {
  const now = performance.now();
  for (let next = knocks[flights.length]; next !== undefined; next = knocks[flights.length]) {
    const at = begun + flights.length * every;
    if (at > now) break;
    flights.push(new Flight(openKnock(next), now, giveUp));
  }
  const active = flights.filter(({ over }) => !over);
  if (active.length === 0 && flights.length === knocks.length) break;
  for (const flight of active) if (flight.due <= now) flight.work(now);
  const waiting = active.filter(({ over }) => !over);
  const later = flights.length < knocks.length ? [begun + flights.length * every] : [];
  const next = Math.min(...waiting.map(({ due }) => due), ...later, now + 1000);
  const heard = new Set(
    wait(
      [],
      waiting.map(({ sockets }) => sockets.probe.fd),
      Math.max(0, next - performance.now()) * 1000,
    ),
  );
  for (const flight of waiting) if (heard.has(flight.sockets.probe.fd)) flight.hear();
}
process.stdout.write(`${JSON.stringify({ milliseconds: flights.map(({ answered }) => answered) })}\n`);
