/** The gate that a client knocks at while its snapshot is made: it opens nothing, checks nothing, and answers whoever has its keys. */
import {
  deriveEpochKeys,
  encodeInvite,
  epochOf,
  importStaticPrivate,
  type Invite,
  MICROS_PER_SECOND,
  parseAddress,
  type Random,
  sealReceipt,
  type ServiceName,
  type UnixMicros,
  unsealRequest,
} from '@postern/protocol';
import { createSocket } from 'node:dgram';
import { randomBytes } from 'node:crypto';

const LOOPBACK = '127.0.0.1';

/** It, while it listens. */
interface RehearsalGate {
  /** An invite to it, as text. */
  readonly invite: string;
  close(): void;
}

/** Starts it on loopback, with keys that nobody has seen before or will again. @throws errors of the socket as they come */
export async function startRehearsalGate(): Promise<RehearsalGate> {
  const random: Random = (size) => new Uint8Array(randomBytes(size));
  const now = (): UnixMicros => (Date.now() * 1000) as UnixMicros;
  const statics = { 1: importStaticPrivate(1, random(32)), 2: importStaticPrivate(2, random(32)) };
  const [gateKey, stateId, seed] = [random(32), random(8), random(32)];
  const address = parseAddress(LOOPBACK) ?? new Uint8Array(16);
  const socket = createSocket('udp4');
  socket.on('message', (packet, from) => {
    const unsealed = unsealRequest(packet, deriveEpochKeys(gateKey, epochOf(now())).mask, statics);
    if (!unsealed.ok) return;
    const { receiptKey, mac, statement } = unsealed.value;
    const end = (now() + 30 * MICROS_PER_SECOND) as UnixMicros;
    const receipt = {
      status: 'ok',
      address,
      end,
      now: now(),
      era: statement.era,
      stateId,
      nextKey: undefined,
    } as const;
    socket.send(sealReceipt(receiptKey, mac, receipt, random(12)), from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, LOOPBACK, resolve);
  });
  const invite: Invite = {
    ...{ name: 'gate', seed, gateKey, stateId, x25519: statics[1].public.bytes },
    xwing: statics[2].public.bytes,
    ...{ addresses: [LOOPBACK], port: socket.address().port, pq: 'off', services: ['ssh' as ServiceName] },
    expires: (now() + 3600 * MICROS_PER_SECOND) as UnixMicros,
  };
  return {
    invite: encodeInvite(invite),
    close: () => {
      socket.close();
    },
  };
}
