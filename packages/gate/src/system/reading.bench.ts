/**
 * Compares ways to read a packet socket: recv(2), a TPACKET_V2 ring and TPACKET_V3 rings (docs/decisions/0002-reading-packets.md). Makes two
 * namespaces, sends 400 packets one by one and then a flood that passes the filter, and prints one line of JSON for each way.
 */
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import koffi from 'koffi';
import { fromHex, parseAddress, toHex } from '@postern/protocol';
import { Namespace } from '@postern/testkit/namespace';
import { Burst, send, socketAddress, tightTimers, udpSocket, wait } from '@postern/testkit/bench/native-socket';
import { knockFilter } from './filter.ts';
import * as libc from './libc.ts';
import { LINK_ADDRESS, SOCKADDR_LL } from './packet-socket.ts';

const PORT = 62201;
const SIZE = 352;
const PAYLOAD = 28;
const SINGLES = 400;
const FLOOD_SECONDS = 4;
const RATE = 100_000;
const RING = 4 << 20;
const [PACKET_RX_RING, PACKET_VERSION] = [5, 10];

/** How a receiver gets at its packets: calls `take` with the IP packet for each that is there. */
type Read = (take: (bytes: Uint8Array, offset: number) => void) => void;

const library = koffi.load(null);
const mmap = library.func('void *mmap(void *, size_t, int, int, int, long)') as (...args: (number | null)[]) => unknown;

function packetSocket(): number {
  const { AF_PACKET, SOCK_DGRAM, SOCK_NONBLOCK, SOL_SOCKET, SO_ATTACH_FILTER, SO_RCVBUFFORCE } = libc.SOCKET;
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const filter = libc.filterProgram(knockFilter({ layer: 'ip4', port: PORT, tagKeys: [] }));
  libc.setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter.bytes);
  libc.setIntOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RING);
  return fd;
}

function bind(fd: number): void {
  const address = new DataView(new ArrayBuffer(SOCKADDR_LL));
  address.setUint16(LINK_ADDRESS.family, libc.SOCKET.AF_PACKET, true);
  address.setUint16(LINK_ADDRESS.protocol, 0x0800);
  libc.bindSocket(fd, new Uint8Array(address.buffer));
}

function ring(fd: number, version: 1 | 2, request: readonly number[]): ArrayBuffer {
  const { SOL_PACKET } = libc.SOCKET;
  libc.setIntOption(fd, SOL_PACKET, PACKET_VERSION, version);
  const result = libc.setOption(fd, SOL_PACKET, PACKET_RX_RING, new Uint8Array(Uint32Array.from(request).buffer));
  if (result < 0) throw new Error(`ring: ${libc.errnoName(result)}`);
  return koffi.view(mmap(null, RING, 3, 1, fd, 0), RING);
}

function byRecv(fd: number): Read {
  const buffer = libc.fixedBytes(2048);
  return (take) => {
    while (libc.receive(fd, buffer, libc.SOCKET.MSG_DONTWAIT) > 0) take(buffer, 0);
  };
}

function byRing2(fd: number): Read {
  const frame = 2048;
  const view = new DataView(ring(fd, 1, [1 << 16, RING >> 16, frame, RING / frame]));
  const bytes = new Uint8Array(view.buffer);
  let at = 0;
  return (take) => {
    while ((view.getUint32(at, true) & 1) !== 0) {
      take(bytes, at + view.getUint16(at + 14, true));
      view.setUint32(at, 0, true);
      at = (at + frame) % RING;
    }
  };
}

function byRing3(fd: number, milliseconds: number): Read {
  const block = 1 << 18;
  const view = new DataView(ring(fd, 2, [block, RING / block, 2048, RING / 2048, milliseconds, 0, 0]));
  const bytes = new Uint8Array(view.buffer);
  let at = 0;
  return (take) => {
    while ((view.getUint32(at + 8, true) & 1) !== 0) {
      let packet = at + view.getUint32(at + 16, true);
      for (let left = view.getUint32(at + 12, true); left > 0; left--) {
        take(bytes, packet + view.getUint16(packet + 26, true));
        packet += view.getUint32(packet, true);
      }
      view.setUint32(at + 8, 0, true);
      at = (at + block) % RING;
    }
  };
}

const WAYS: Readonly<Record<string, (fd: number) => Read>> = {
  recv: byRecv,
  TPACKET_V2: byRing2,
  'TPACKET_V3, 1 ms': (fd) => byRing3(fd, 1),
  'TPACKET_V3, 10 ms': (fd) => byRing3(fd, 10),
};

function receiver(way: string): void {
  const fd = packetSocket();
  const read = WAYS[way]?.(fd);
  if (read === undefined) throw new Error(`no way ${way}`);
  bind(fd);
  const fds = libc.fixedBytes(8);
  const view = new DataView(fds.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, libc.POLL.in, true);
  process.stdout.write('ready\n');
  const latencies: number[] = [];
  let flooded = 0;
  let before = process.cpuUsage();
  for (let quiet = 0; quiet < 3;) {
    quiet = libc.poll(fds, 500) === 0 && latencies.length + flooded > 0 ? quiet + 1 : 0;
    read((bytes, offset) => {
      const stamp = new DataView(bytes.buffer, bytes.byteOffset + offset + PAYLOAD, 16);
      if (stamp.getUint32(0) === 1) {
        latencies.push(Number(process.hrtime.bigint() - stamp.getBigUint64(8)) / 1000);
        before = process.cpuUsage();
      } else flooded++;
    });
  }
  const { user, system } = process.cpuUsage(before);
  const statistics = new Uint32Array(2);
  libc.getOption(fd, libc.SOCKET.SOL_PACKET, libc.SOCKET.PACKET_STATISTICS, new Uint8Array(statistics.buffer));
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(latencies[Math.floor(share * (latencies.length - 1))] ?? NaN);
  const cpu = Number(((user + system) / flooded).toFixed(2));
  const flood = { received: flooded, dropped: statistics[1], cpuMicrosPerPacket: cpu };
  process.stdout.write(
    `${JSON.stringify({ way, latencyMicros: { p50: at(0.5), p90: at(0.9), p99: at(0.99) }, flood })}\n`,
  );
}

function sender(from: string, to: string): void {
  const fd = udpSocket(4, socketAddress(4, fromHex(from), 0), socketAddress(4, fromHex(to), PORT));
  tightTimers();
  const single = new Uint8Array(SIZE);
  const view = new DataView(single.buffer);
  view.setUint32(0, 1);
  for (let count = 0; count < SINGLES; count++) {
    wait([], [], 5_000);
    view.setBigUint64(8, process.hrtime.bigint());
    send(fd, single);
  }
  wait([], [], 200_000);
  const burst = new Burst(SIZE, 256);
  let sent = 0;
  const begun = performance.now();
  for (let now = begun; now < begun + FLOOD_SECONDS * 1000; now = performance.now()) {
    const due = Math.floor(((now - begun) / 1000) * RATE) - sent;
    if (due > 0) sent += burst.send(fd, Math.min(due, 256));
    else wait([], [], 200);
  }
  process.stdout.write(`${JSON.stringify({ sent, perSecond: Math.round(sent / FLOOD_SECONDS) })}\n`);
}

async function outputOf(child: ChildProcess, lines: number): Promise<string[]> {
  let text = '';
  for await (const piece of child.stdout ?? []) {
    text += String(piece);
    if (text.split('\n').length > lines) break;
  }
  return text.trim().split('\n');
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'receiver') receiver(rest[0] ?? '');
else if (role === 'sender') sender(rest[0] ?? '', rest[1] ?? '');
else {
  const [here, there] = ['10.77.0.1', '10.77.0.2'];
  const hex = (address: string): string => toHex(parseAddress(address) ?? new Uint8Array(16));
  using gate = new Namespace('reader');
  using world = new Namespace('sender');
  gate.connect(world, [`${here}/24`], [`${there}/24`]);
  const program = [...process.execArgv, import.meta.filename];
  for (const way of Object.keys(WAYS)) {
    const reading = gate.spawn(process.execPath, [...program, 'receiver', way], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const printed = outputOf(reading, 2);
    const sending = world.spawn(process.execPath, [...program, 'sender', hex(there), hex(here)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [sent] = await outputOf(sending, 1);
    const [, result] = await printed;
    process.stdout.write(`${String(result)} ${String(sent)}\n`);
  }
}
