/** What junk of the right shape costs a server of fwknop's packets, and whether it keeps others out: by stanzas, from one source and from many. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fwknopServerAvailable, type FwknopServerKind } from '../fwknop-server.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace } from '../namespace.ts';
import { tcpAnswers } from '../tcp-answer.ts';
import type { Bench } from './bench.ts';
import { SERVICE_PORT } from './arena/contender.ts';
import { FwknopGate, type FwknopRequest } from './fwknop-gate.ts';
import { round } from './statistics.ts';
import { worldProcess } from './world-process.ts';

/** Stanzas, and for the price of a packet so few of them in a second that fwknopd hears them all: when it sniffs, 100 in 100 ms at the most. */
const STANZAS = [
  [1, 800],
  [10, 800],
  [100, 400],
  [1_000, 100],
] as const;
const SOURCES = ['one', 'spoofed'] as const;
const KINDS: readonly FwknopServerKind[] = ['posternd', 'fwknopd', 'fwknopd-udp'];
const NETWORK = '10.94';
/** Packets of junk in a second during valid requests. */
const RATE = 1_000;
/** Seconds of junk for the price, and during the valid requests. */
const [PRICED, DURING] = [4, 11] as const;
const REQUESTS = 100;
/** Milliseconds from request to request, and after the last until everything that will open is open. */
const [GAP, PATIENCE] = [100, 8_000] as const;

const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Seconds of a processor. */
function used(gate: FwknopGate): number {
  const { user, system } = gate.server.cpu();
  return user + system;
}

/** Waits until the server has nothing to do. */
async function settle(gate: FwknopGate): Promise<void> {
  for (let before = -1, now = used(gate); now - before > 0.02; await sleep(500)) [before, now] = [now, used(gate)];
}

/** Sends requests, each from its own address; how many got what they asked for. */
async function open(world: Namespace, requests: readonly FwknopRequest[]): Promise<number> {
  return await inNamespace(world, async () => {
    const following: Promise<boolean>[] = [];
    const end = performance.now() + requests.length * GAP + PATIENCE;
    const follow = async ({ from, gate }: FwknopRequest): Promise<boolean> => {
      while (performance.now() < end) {
        if (await tcpAnswers({ host: gate, port: SERVICE_PORT, localAddress: from }, 250)) return true;
        await sleep(250);
      }
      return false;
    };
    for (const request of requests) {
      const socket = createSocket('udp4').bind(0, request.from);
      await once(socket, 'listening');
      socket.send(request.packet, 62_201, request.gate, () => {
        socket.close();
      });
      following.push(follow(request));
      await sleep(GAP);
    }
    return (await Promise.all(following)).filter(Boolean).length;
  });
}

/** One row of the result. */
interface Row {
  readonly server: FwknopServerKind;
  readonly stanzas: number;
  readonly junkFrom: (typeof SOURCES)[number];
  /** Packets of which the price was taken: sent in a second, sent, and heard by the server. */
  readonly perSecond: number;
  readonly sent: number;
  readonly heard: number;
  /** Microseconds of user and system time for each packet that was heard. */
  readonly microsecondsPerPacket: number;
  /** Of 100 that asked during the junk. */
  readonly opened: number;
}

async function measure(
  server: FwknopServerKind,
  [stanzas, priced]: (typeof STANZAS)[number],
  junkFrom: Row['junkFrom'],
): Promise<Row> {
  using world = new Namespace('world');
  await using gate = await FwknopGate.start(server, world, NETWORK, { stanzas, sources: REQUESTS + 1 });
  const junk = async (
    rate: number,
    seconds: number,
  ): Promise<{ readonly sent: number; readonly perSecond: number }> => {
    const from = junkFrom === 'one' ? gate.source(REQUESTS) : junkFrom;
    const out = await worldProcess(world, 'fwknop-junk-sender.ts', [gate.address, from, String(rate), String(seconds)]);
    return JSON.parse(out) as { sent: number; perSecond: number };
  };
  await settle(gate);
  const before = used(gate);
  const { sent, perSecond } = await junk(priced, PRICED);
  await settle(gate);
  const price = used(gate) - before;
  const heard = gate.server.heard();
  const requests: FwknopRequest[] = [];
  for (let i = 0; i < REQUESTS; i++) requests.push(await gate.request(i));
  const [opened] = await Promise.all([open(world, requests), junk(RATE, DURING)]);
  return {
    server,
    stanzas,
    junkFrom,
    perSecond: Math.round(perSecond),
    sent,
    heard,
    microsecondsPerPacket: round((price * 1e6) / heard),
    opened,
  };
}

/** Junk of the right shape. */
export const fwknopJunk: Bench = {
  name: 'fwknop-junk',
  summary: `junk of the shape of fwknop's packets, ${RATE.toLocaleString('en')} a second: its price by stanzas, and ${String(REQUESTS)} valid requests of others meanwhile`,
  async run(say) {
    const rows: Row[] = [];
    for (const how of STANZAS)
      for (const junkFrom of SOURCES)
        for (const server of KINDS.filter(fwknopServerAvailable)) {
          say(`${server}, ${String(how[0])} stanzas, junk from ${junkFrom} …`);
          const row = await measure(server, how, junkFrom);
          rows.push(row);
          say(
            `  ${String(row.microsecondsPerPacket)} µs a packet, ${String(row.opened)} of ${String(REQUESTS)} opened`,
          );
        }
    const ours = rows.filter(({ server }) => server === 'posternd');
    return {
      ok: ours.every(({ opened }) => opened === REQUESTS),
      lines: rows.map(
        ({ server, stanzas, junkFrom, microsecondsPerPacket, opened }) =>
          `${server.padEnd(12)} ${String(stanzas).padStart(5)} stanzas, junk from ${junkFrom.padEnd(8)} ${microsecondsPerPacket.toFixed(0).padStart(6)} µs a packet, ${String(opened)} of ${String(REQUESTS)} opened`,
      ),
      json: { bench: 'fwknop-junk', rate: RATE, requests: REQUESTS, rows },
    };
  },
};
