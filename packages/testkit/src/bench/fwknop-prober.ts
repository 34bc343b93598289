/**
 * `node fwknop-prober.ts FILE`: sends fwknop's packets of a plan, one after the other, and measures from each departure until the service
 * answers. Runs in the client's namespace; prints `{ "milliseconds": [number | null, …] }`, null where nothing answered within two seconds.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseAddress } from '@postern/protocol';
import { awaitAnswer } from './await-answer.ts';
import type { FwknopRequest } from './fwknop-gate.ts';
import { close, send, socketAddress, SynProbe, tightTimers, udpSocket, wait } from './native-socket.ts';

/** What the prober is told. */
export interface FwknopPlan {
  readonly servicePort: number;
  /** `pause`: milliseconds of rest before it. */
  readonly knocks: readonly (FwknopRequest & { readonly pause: number })[];
}

const PATIENCE = { quiet: 300, late: 1_000, giveUp: 2_000_000 } as const;

function addressOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as FwknopPlan;
tightTimers();
const milliseconds = plan.knocks.map(({ pause, from, gate, packet }) => {
  const [source, target] = [addressOf(from), addressOf(gate)];
  const udp = udpSocket(4, socketAddress(4, source, 0), socketAddress(4, target, 62_201));
  const own = 20_000 + Math.floor(Math.random() * 40_000);
  const probe = new SynProbe(4, source, own, target, plan.servicePort);
  try {
    wait([], [], pause * 1000);
    const sent = performance.now();
    send(udp, Buffer.from(packet, 'latin1'));
    return awaitAnswer(probe, sent, PATIENCE) ?? null;
  } finally {
    close(probe.fd);
    close(udp);
  }
});
process.stdout.write(`${JSON.stringify({ milliseconds })}\n`);
