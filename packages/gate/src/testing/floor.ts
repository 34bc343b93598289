/**
 * `node floor.ts KNOCK_PORT SERVICE_PORT`: the floor under every knock on Node. It sees a packet by a packet socket, in a loop around poll(2),
 * and opens the service to its sender by one write to nftables in its own process. No cryptography, no record, no second process. It is
 * for benchmarks only: whoever sends something to the port is let in.
 */
import process from 'node:process';
import type { Seconds } from '@postern/protocol';
import { openNftables } from '../firewall/nftables.ts';
import { knockFilter } from '../system/filter.ts';
import * as libc from '../system/libc.ts';
import { PacketSocket } from '../system/packet-socket.ts';

const [knockPort, servicePort] = process.argv.slice(2).map(Number);
const port = knockPort ?? 0;
const endpoint = { protocol: 'tcp', port: servicePort ?? 0 } as const;
const seconds = 30 as Seconds;
/** Offset of the sender in an IPv4 packet. */
const SENDER = 12;

using firewall = openNftables();
firewall.install({ knockPort: port, dropKnocks: true });
firewall.protect([endpoint], undefined);
using socket = new PacketSocket(4);
if (!socket.hear(knockFilter({ layer: 'ip4', port, tagKeys: [] }))) throw new Error('the kernel refused the filter');

const packet = libc.fixedBytes(2048);
const polled = libc.fixedBytes(8);
const view = new DataView(polled.buffer);
view.setInt32(0, socket.fd, true);
view.setInt16(4, libc.POLL.in, true);
process.stdout.write('ready\n');
for (;;) {
  libc.poll(polled, -1);
  while (libc.receive(socket.fd, packet, libc.SOCKET.MSG_DONTWAIT) > 0) {
    const address = new Uint8Array(16);
    address.set([0xff, 0xff], 10);
    address.set(packet.subarray(SENDER, SENDER + 4), 12);
    const source = { family: 4, address, prefix: 32 } as const;
    const applied = firewall.apply([{ kind: 'set', source, endpoint, seconds, id: '0000000000000000' }]);
    if (!applied.ok) throw new Error(applied.reason);
  }
}
