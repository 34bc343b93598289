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
import { awaitAnswer } from './await-answer.ts';
import { close, send, socketAddress, SynProbe, tightTimers, udpSocket, wait } from './native-socket.ts';

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

/** Quiet well below the sum of what the steps take alone. */
const PATIENCE = { quiet: 800, late: 2_000, giveUp: 1_000_000 } as const;

function micros(): UnixMicros {
  return (Date.now() * 1000) as UnixMicros;
}

function knockAndProbe(plan: Plan, knock: Plan['knocks'][number]): number | undefined {
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
  const udp = udpSocket(plan.family, own, socketAddress(plan.family, target, plan.knockPort));
  const probe = new SynProbe(plan.family, from, 20_000 + Math.floor(Math.random() * 40_000), target, plan.servicePort);
  try {
    const sent = performance.now();
    send(udp, packet);
    return awaitAnswer(probe, sent, PATIENCE);
  } finally {
    close(probe.fd);
    close(udp);
  }
}

if (process.argv[1] === import.meta.filename) {
  const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan;
  tightTimers();
  const milliseconds: (number | null)[] = [];
  for (const knock of plan.knocks) {
    milliseconds.push(knockAndProbe(plan, knock) ?? null);
    wait([], [], plan.pause * 1000);
  }
  process.stdout.write(`${JSON.stringify({ milliseconds })}\n`);
}
