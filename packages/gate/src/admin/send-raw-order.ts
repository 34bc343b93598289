import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { familyOf, formatAddress, parseAddress } from '@postern/protocol';
import { rawPacket } from '../system/raw-packet.ts';
import { sendRawPacket } from '../system/raw-socket.ts';
import type { RawOrder } from './raw-order.ts';

/** Types of an echo reply (RFC 792, RFC 4443). */
const ECHO_REPLY = { 4: 0, 6: 129 } as const;
const EPHEMERAL = 32_768;

/** Sends it. @returns undefined, or the name of what the kernel said */
export async function sendRawOrder(order: RawOrder): Promise<string | undefined> {
  const { transport, to, payload, port, icmpCode } = order;
  let source: Uint8Array;
  try {
    source = order.source ?? (await localAddress(to));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'no route';
  }
  const packet = rawPacket({
    ...{ source, port, icmpCode, payload },
    kind: transport,
    destination: to,
    sourcePort: order.sourcePort ?? EPHEMERAL + randomInt(65_536 - EPHEMERAL),
    icmpType: order.icmpType ?? ECHO_REPLY[familyOf(to)],
    icmpId: randomInt(65_536),
  });
  return sendRawPacket(packet, to);
}

/** The address that packets to another one have. Nothing is sent. */
async function localAddress(to: Uint8Array): Promise<Uint8Array> {
  const probe = createSocket(familyOf(to) === 4 ? 'udp4' : 'udp6');
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.connect(9, formatAddress(to), resolve);
    });
    const address = parseAddress(probe.address().address);
    if (address === undefined) throw new TypeError('a socket without an address');
    return address;
  } finally {
    probe.close();
  }
}
