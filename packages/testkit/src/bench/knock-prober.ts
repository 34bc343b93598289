/**
 * `node knock-prober.ts FILE`: makes the port knocks of a plan, one after the other, and measures from the departure of the last packet that is needed
 * until the service answers. Runs in the client's namespace; prints `{ "milliseconds": [number | null, …] }`, null where nothing answered within a second.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { boundPorts, fromHex, KEYED, keyedPorts, slotOf, type ServiceName, type UnixMicros } from '@postern/protocol';
import { awaitAnswer } from './await-answer.ts';
import { close, send, socketAddress, SynProbe, tightTimers, udpSocket, wait } from './native-socket.ts';

/** What the prober is told. Bytes are hexadecimal. */
export interface KnockPlan {
  readonly servicePort: number;
  /** Milliseconds of rest before each knock. */
  readonly pause: number;
  readonly knocks: readonly {
    /** 16 bytes each. */
    readonly from: string;
    readonly gate: string;
    /** The ports of a door, or the key of a device for a service. */
    readonly way: readonly number[] | { readonly key: string; readonly service: string };
  }[];
}

/** From packet to packet, in microseconds. */
const GAP = 2_000;
const PATIENCE = { quiet: 300, late: 1_000, giveUp: 1_000_000 } as const;

/** Just enough of a keyed knock, so that its last packet is the one that opens. */
function portsOf(way: KnockPlan['knocks'][number]['way'], from: Uint8Array): readonly number[] {
  if (!('key' in way)) return way;
  const [key, service] = [fromHex(way.key), way.service as ServiceName];
  const slot = slotOf((Date.now() * 1000) as UnixMicros);
  const bound = boundPorts(key, slot, service, from).slice(0, KEYED.boundNeeded);
  const [last = 0, ...first] = keyedPorts(key, slot, service).filter((port) => !bound.includes(port));
  return [...first.slice(0, KEYED.needed - 1), ...bound, last];
}

interface Knock {
  readonly fd: number;
  send(): unknown;
}

/** By UDP, as `postern knock --keyed` begins: of the resets for SYNs each raw socket here would get its copy. */
function datagram(from: Uint8Array, to: Uint8Array, port: number): Knock {
  const fd = udpSocket(4, socketAddress(4, from, 0), socketAddress(4, to, port));
  return { fd, send: () => send(fd, new Uint8Array(1)) };
}

function knockAndProbe(
  { servicePort }: KnockPlan,
  { from, gate, way }: KnockPlan['knocks'][number],
): number | undefined {
  const [source, target] = [fromHex(from), fromHex(gate)];
  const own = 20_000 + Math.floor(Math.random() * 40_000);
  const syn = (port: number): SynProbe => new SynProbe(4, source, own, target, port);
  const ports = portsOf(way, source);
  const knocks = ports.map((port) => ('key' in way ? datagram(source, target, port) : syn(port)));
  const probe = syn(servicePort);
  try {
    for (const knock of knocks.slice(0, -1)) {
      knock.send();
      wait([], [], GAP);
    }
    const sent = performance.now();
    knocks.at(-1)?.send();
    return awaitAnswer(probe, sent, PATIENCE);
  } finally {
    for (const { fd } of [...knocks, probe]) close(fd);
  }
}

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as KnockPlan;
tightTimers();
const milliseconds = plan.knocks.map((knock) => {
  wait([], [], plan.pause * 1000);
  return knockAndProbe(plan, knock) ?? null;
});
process.stdout.write(`${JSON.stringify({ milliseconds })}\n`);
