/** `node recorder-process.ts DEVICE`: prints every IP packet of a device as a line `out|in 4|6 PROTOCOL HEX`, after a line `ready`. */
import koffi from 'koffi';
import { writeSync } from 'node:fs';
import process from 'node:process';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number;
const bind = libc.func('int bind(int, const void *, uint32_t)') as (
  fd: number,
  address: Uint8Array,
  size: number,
) => number;
const recvfrom = libc.func('long recvfrom(int, void *, size_t, int, void *, void *)') as (
  fd: number,
  into: Uint8Array,
  size: number,
  flags: number,
  from: Uint8Array,
  fromSize: Uint8Array,
) => number;
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)') as (
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  size: number,
) => number;
const indexOf = libc.func('uint32_t if_nametoindex(const char *)') as (name: string) => number;

const ETH_P_ALL = 3;
const PACKET_OUTGOING = 4;
const device = process.argv[2] ?? '';
const fd = socket(17, 2, 0);
const size = Buffer.alloc(4);
size.writeInt32LE(32 << 20);
setsockopt(fd, 1, 33, size, 4);
const address = Buffer.alloc(20);
address.writeUInt16LE(17, 0);
address.writeUInt16BE(ETH_P_ALL, 2);
address.writeUInt32LE(indexOf(device), 4);
if (fd < 0 || indexOf(device) === 0 || bind(fd, address, 20) !== 0) throw new Error(`cannot record ${device}`);
writeSync(1, 'ready\n');
const packet = Buffer.alloc(65_536);
const from = Buffer.alloc(20);
const fromSize = Buffer.alloc(4);
for (;;) {
  fromSize.writeUInt32LE(20);
  const length = recvfrom(fd, packet, packet.length, 0, from, fromSize);
  if (length <= 0) continue;
  const type = from.readUInt16BE(2);
  if (type !== 0x0800 && type !== 0x86dd) continue;
  const family = type === 0x0800 ? 4 : 6;
  const protocol = packet[family === 4 ? 9 : 6] ?? 0;
  const icmpType = packet[40] ?? 0;
  // neighbour discovery, router discovery and MLD belong to the link
  if (family === 6 && (protocol === 0 || (protocol === 58 && icmpType >= 130 && icmpType <= 143 && icmpType !== 138)))
    continue;
  const direction = from[10] === PACKET_OUTGOING ? 'out' : 'in';
  writeSync(1, `${direction} ${String(family)} ${String(protocol)} ${packet.subarray(0, length).toString('hex')}\n`);
}
