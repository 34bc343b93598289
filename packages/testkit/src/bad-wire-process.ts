/**
 * `node bad-wire-process.ts DEVICE DEVICE JSON`: joins two devices of a namespace as a bad cable would: frames are lost, delayed, overtaken and
 * doubled as the JSON says (see {@link BadWireOptions}). Prints `ready`. Ends with its input.
 */
import koffi from 'koffi';
import { writeSync } from 'node:fs';
import process from 'node:process';
import type { BadWireOptions } from './bad-wire.ts';
import { completeChecksum } from './checksum.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number;
const bind = libc.func('int bind(int, const void *, uint32_t)') as (
  fd: number,
  address: Uint8Array,
  size: number,
) => number;
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)') as (
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  size: number,
) => number;
const recv = libc.func('long recv(int, void *, size_t, int)') as (
  fd: number,
  into: Uint8Array,
  size: number,
  flags: number,
) => number;
const send = libc.func('long send(int, const void *, size_t, int)') as (
  fd: number,
  data: Uint8Array,
  size: number,
  flags: number,
) => number;
const poll = libc.func('int poll(void *, unsigned long, int)') as (
  fds: Uint8Array,
  count: number,
  timeout: number,
) => number;
const indexOf = libc.func('uint32_t if_nametoindex(const char *)') as (name: string) => number;

function open(device: string): number {
  const fd = socket(17, 3, 0);
  const one = new Uint8Array(new Int32Array([1]).buffer);
  // PACKET_IGNORE_OUTGOING: what we put on a device must not come back to us
  setsockopt(fd, 263, 23, one, 4);
  setsockopt(fd, 1, 33, new Uint8Array(new Int32Array([16 << 20]).buffer), 4);
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, 17, true);
  view.setUint16(2, 3);
  view.setUint32(4, indexOf(device), true);
  if (fd < 0 || indexOf(device) === 0 || bind(fd, address, 20) !== 0) throw new Error(`cannot open ${device}`);
  return fd;
}

const [first = '', second = '', json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json) as BadWireOptions;
const ends = [open(first), open(second)] as const;
/** Frames on their way, the earliest last. */
const underway: { due: number; fd: number; frame: Uint8Array }[] = [];
const buffer = new Uint8Array(65_536);
const fds = new Uint8Array(24);
const view = new DataView(fds.buffer);
[...ends, 0].forEach((fd, i) => {
  view.setInt32(i * 8, fd, true);
  view.setInt16(i * 8 + 4, 1, true);
});

function carry(fd: number, frame: Uint8Array): void {
  const due = performance.now() + options.delay + Math.random() * options.jitter;
  const at = underway.findIndex((other) => other.due <= due);
  underway.splice(at === -1 ? underway.length : at, 0, { due, fd, frame });
}

writeSync(1, 'ready\n');
for (;;) {
  const next = underway.at(-1);
  poll(fds, 3, next === undefined ? 1000 : Math.max(0, Math.ceil(next.due - performance.now())));
  if (view.getInt16(22, true) !== 0) process.exit(0);
  ends.forEach((fd, side) => {
    for (let size = recv(fd, buffer, buffer.length, 0x40); size > 0; size = recv(fd, buffer, buffer.length, 0x40)) {
      const frame = buffer.slice(0, size);
      // losing ARP or neighbour discovery would test the link, not us
      const link = frame[12] === 0x08 && frame[13] === 0x06;
      const discovery = frame[12] === 0x86 && frame[13] === 0xdd && frame[20] === 58;
      if (!link && !discovery && Math.random() < options.loss) continue;
      completeChecksum(frame);
      const other = ends[1 - side] ?? fd;
      carry(other, frame);
      if (Math.random() < options.duplicate) carry(other, frame);
    }
  });
  for (let due = underway.at(-1); due !== undefined && due.due <= performance.now(); due = underway.at(-1)) {
    underway.pop();
    send(due.fd, due.frame, due.frame.length, 0x40);
  }
}
