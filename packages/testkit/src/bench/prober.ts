/**
 * `node prober.ts FILE`: knocks once for each entry of a plan and measures from the packet's departure until the service answers. Runs in
 * the client's namespace; prints one JSON line `{ "milliseconds": [number | null, …] }`, null where nothing answered within a second.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import {
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  fromHex,
  importSigner,
  importStaticPublic,
  sealRequest,
  toHex,
  type RequestId,
  type ServiceName,
  type Suite,
  type UnixMicros,
} from '@postern/protocol';
import { beginConnect, close, connected, send, socketAddress, tightTimers, udpSocket, wait } from './native-socket.ts';

/** What the prober is told. Bytes are hexadecimal. */
export interface Plan {
  readonly suite: Suite;
  readonly family: 4 | 6;
  readonly gate: string;
  readonly staticKey: string;
  readonly gateKey: string;
  readonly stateId: string;
  readonly knockPort: number;
  readonly servicePort: number;
  readonly service: string;
  /** Milliseconds between the end of one knock and the next. */
  readonly pause: number;
  /** One knock each: a device and the address that it knocks from. */
  readonly knocks: readonly { readonly seed: string; readonly address: string }[];
}

const GIVE_UP = 1_000;
/** Between two attempts to connect, in microseconds: the resolution of the measurement. */
const STEP = 100;

function micros(): UnixMicros {
  return (Date.now() * 1000) as UnixMicros;
}

function probe(plan: Plan, knock: Plan['knocks'][number]): number | undefined {
  const gate = importStaticPublic(plan.suite, fromHex(plan.staticKey));
  const from = fromHex(knock.address);
  const signer = importSigner(fromHex(knock.seed));
  const now = micros();
  const { packet } = sealRequest({
    gate,
    keys: deriveEpochKeys(fromHex(plan.gateKey), epochOf(now)),
    statement: {
      kind: 'open',
      singleUse: false,
      device: deviceIdOf(signer.publicKey),
      era: 0,
      time: now,
      stateId: fromHex(plan.stateId),
      requestId: toHex(randomBytes(8)) as RequestId,
      audience: gate.audience,
      source: { type: plan.family, prefix: plan.family === 4 ? 32 : 128, address: from },
      seconds: 0,
      service: plan.service as ServiceName,
      newDevice: undefined,
    },
    signer,
    random: (size) => randomBytes(size),
  });
  const target = fromHex(plan.gate);
  const own = socketAddress(plan.family, from, 0);
  const service = socketAddress(plan.family, target, plan.servicePort);
  const udp = udpSocket(plan.family, own, socketAddress(plan.family, target, plan.knockPort));
  const attempts: number[] = [];
  try {
    const sent = performance.now();
    send(udp, packet);
    for (;;) {
      const elapsed = performance.now() - sent;
      if (elapsed > GIVE_UP) return undefined;
      // after 20 ms it is late anyway: look less often, hold fewer sockets
      if (attempts.length > 200) close(attempts.shift() ?? -1);
      attempts.push(beginConnect(plan.family, own, service));
      const ready = wait(attempts, [], elapsed < 20 ? STEP : 2_000);
      if (ready.some((fd) => connected(fd))) return performance.now() - sent;
    }
  } finally {
    for (const fd of attempts) close(fd);
    close(udp);
  }
}

if (process.argv[1] === import.meta.filename) {
  const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan;
  tightTimers();
  const milliseconds: (number | null)[] = [];
  for (const knock of plan.knocks) {
    milliseconds.push(probe(plan, knock) ?? null);
    wait([], [], plan.pause * 1000);
  }
  process.stdout.write(`${JSON.stringify({ milliseconds })}\n`);
}
