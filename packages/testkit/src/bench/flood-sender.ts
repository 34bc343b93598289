/**
 * `node flood-sender.ts FILE`: sends packets of one kind at a steady rate, or as many as it can. Runs in the world; prints one JSON line
 * `{ "sent", "seconds", "userMicros", "systemMicros" }`.
 */
import { randomBytes, randomFillSync, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import {
  chacha20,
  deriveEpochKeys,
  epochOf,
  fromHex,
  halfSipHash24,
  hmacSha256,
  PACKET,
  parseAddress,
  SHORT_PACKET,
  type UnixMicros,
} from '@postern/protocol';
import { completeChecksum } from '../checksum.ts';
import { Burst, rawSocket, socketAddress, tightTimers, udpSocket, wait } from './native-socket.ts';

/** What is sent. */
export const JUNK = {
  random: '200 random bytes',
  length: 'of the right length (352 bytes)',
  copied: 'nonce and tag copied, junk behind',
  unsealed: 'a device: right mac, body that does not unseal',
  valid: 'a device: valid requests as fast as it can',
  base64: "of the shape of fwknop's",
  spoofed: 'right length, spoofed sources',
  'spoofed-base64': "of the shape of fwknop's, spoofed sources",
  syn: "SYNs to a door's ports",
  'spoofed-syn': "SYNs to a door's ports, spoofed sources",
} as const;

/** Which. */
export type JunkKind = keyof typeof JUNK;

/** What the sender is told. */
export interface FloodPlan {
  readonly kind: JunkKind;
  /** Packets in a second; 0: as many as it can. */
  readonly rate: number;
  readonly seconds: number;
  /** Ends before that after so many packets. */
  readonly most?: number;
  /** What is spoofed comes from anywhere, and not from the server's network only. */
  readonly wide?: boolean;
  readonly from: string;
  readonly to: string;
  readonly port: number;
  /** Ports of a door. */
  readonly ports: readonly number[];
  /** The gate key, hexadecimal, for a device; and base64 of a packet that somebody saw. */
  readonly gateKey?: string;
  readonly seen?: string;
  /** Base64 of what is sent as it is, in its order. */
  readonly packets?: readonly string[];
}

/** What it tells. */
export interface Flooded {
  readonly sent: number;
  readonly seconds: number;
  /** Its own processor time; the kernel brings a packet through a veth pair up to the server's socket in the time of the sender. */
  readonly userMicros: number;
  readonly systemMicros: number;
}

/** Packets of one call. */
const BATCH = 256;
/** Of 204 characters, as a packet of fwknop's has them with one port, SHA-256 and an HMAC of SHA-256. */
const BASE64_BYTES = 153;
const [IP, UDP, TCP] = [20, 8, 20] as const;
/** Room for an Ethernet header, which the checksum's code expects. */
const ETHERNET = 14;

/** Puts the next packet in place. */
type Fill = (into: Uint8Array) => void;

interface Kind {
  readonly size: number;
  readonly fill: Fill;
  /** What is sent has headers of its own. */
  readonly raw: boolean;
  /** Each packet is made anew. */
  readonly fresh: boolean;
}

function base64Junk(): Uint8Array {
  return Buffer.from(randomBytes(BASE64_BYTES).toString('base64'), 'latin1');
}

/** An IPv4 packet from an address of the server's network that is nobody's. UDP without a checksum, which it may have. */
function spoofedUdp({ to, port, wide }: FloodPlan, size: number, payload: Fill): Kind {
  const target = parseAddress(to)?.subarray(12) ?? new Uint8Array(4);
  return {
    size: IP + UDP + size,
    raw: true,
    fresh: true,
    fill(into) {
      const view = new DataView(into.buffer, into.byteOffset);
      ipHeader(into, target, 17, wide === true ? anywhere() : undefined);
      view.setUint16(IP, 40_000);
      view.setUint16(IP + 2, port);
      view.setUint16(IP + 4, UDP + size);
      payload(into.subarray(IP + UDP));
    },
  };
}

function ipHeader(into: Uint8Array, target: Uint8Array, protocol: number, source?: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset);
  view.setUint8(0, 0x45);
  view.setUint16(2, into.length);
  view.setUint8(8, 64);
  view.setUint8(9, protocol);
  into.set(target.subarray(0, 2), 12);
  if (source === undefined) view.setUint16(14, randomInt(0x8000, 0xff00));
  else into.set(source, 12);
  into.set(target, 16);
}

/** An address of somebody's, in 1.0.0.0 to 223.255.255.255. */
function anywhere(): Uint8Array {
  const address = new Uint8Array(4);
  new DataView(address.buffer).setUint32(0, randomInt(0x0100_0000, 0xe000_0000));
  return address;
}

function syns({ to, from, ports, kind, wide }: FloodPlan): Kind {
  const target = parseAddress(to)?.subarray(12) ?? new Uint8Array(4);
  const one = kind === 'syn' ? parseAddress(from)?.subarray(12) : undefined;
  return {
    size: IP + TCP,
    raw: true,
    fresh: wide === true,
    fill(into) {
      const frame = new Uint8Array(ETHERNET + IP + TCP);
      const view = new DataView(frame.buffer, ETHERNET);
      new DataView(frame.buffer).setUint16(12, 0x0800);
      ipHeader(frame.subarray(ETHERNET), target, 6, wide === true ? anywhere() : one);
      view.setUint16(IP, randomInt(20_000, 60_000));
      view.setUint16(IP + 2, ports[randomInt(ports.length)] ?? 0);
      view.setUint32(IP + 4, 1);
      view.setUint16(IP + 12, 0x5002);
      view.setUint16(IP + 14, 65_535);
      completeChecksum(frame);
      into.set(frame.subarray(ETHERNET));
    },
  };
}

function kindOf(plan: FloodPlan): Kind {
  const plain = { raw: false, fresh: false };
  switch (plan.kind) {
    case 'random':
      return { size: 200, fill: (into) => void randomFillSync(into), ...plain };
    case 'length':
      return { size: SHORT_PACKET, fill: (into) => void randomFillSync(into), ...plain };
    case 'base64':
      return {
        size: base64Junk().length,
        fill: (into) => {
          into.set(base64Junk());
        },
        ...plain,
      };
    case 'copied': {
      const head = Buffer.from(plan.seen ?? '', 'base64').subarray(0, PACKET.suite);
      return {
        size: SHORT_PACKET,
        fill(into) {
          randomFillSync(into);
          into.set(head);
        },
        ...plain,
      };
    }
    case 'unsealed': {
      const keys = deriveEpochKeys(fromHex(plan.gateKey ?? ''), epochOf((Date.now() * 1000) as UnixMicros));
      return {
        size: SHORT_PACKET,
        raw: false,
        fresh: true,
        fill(into) {
          const end = into.length - PACKET.macSize;
          const nonce = randomBytes(PACKET.nonceSize);
          into.set(nonce, PACKET.nonce);
          new DataView(into.buffer, into.byteOffset).setUint32(PACKET.tag, halfSipHash24(keys.tag, nonce), true);
          const body = randomBytes(end - PACKET.suite);
          body[0] = 1;
          const maskNonce = new Uint8Array(12);
          maskNonce.set(nonce, 4);
          into.set(chacha20(keys.mask, maskNonce, body), PACKET.suite);
          into.set(hmacSha256(keys.mac, into.subarray(0, end)).subarray(0, PACKET.macSize), end);
        },
      };
    }
    case 'valid': {
      const packets = (plan.packets ?? []).map((text) => Buffer.from(text, 'base64'));
      let next = 0;
      return {
        size: packets[0]?.length ?? 0,
        raw: false,
        fresh: true,
        fill: (into) => {
          into.set(packets[next++ % packets.length] ?? into);
        },
      };
    }
    case 'spoofed':
      return spoofedUdp(
        plan,
        SHORT_PACKET,
        once((into) => void randomFillSync(into)),
      );
    case 'spoofed-base64':
      return spoofedUdp(
        plan,
        base64Junk().length,
        once((into) => {
          into.set(base64Junk());
        }),
      );
    case 'syn':
    case 'spoofed-syn':
      return syns(plan);
  }
}

/** Of each place in memory, the first time only: then only its source is new. */
function once(fill: Fill): Fill {
  const filled = new Set<number>();
  return (into) => {
    if (filled.has(into.byteOffset)) return;
    filled.add(into.byteOffset);
    fill(into);
  };
}

function socketFor(plan: FloodPlan, raw: boolean): number {
  const [from, to] = [parseAddress(plan.from), parseAddress(plan.to)].map((it) => it ?? new Uint8Array(16));
  if (from === undefined || to === undefined) throw new Error('no addresses');
  const target = socketAddress(4, to, raw ? 0 : plan.port);
  return raw ? rawSocket(target) : udpSocket(4, socketAddress(4, from, 0), target);
}

if (process.argv[1] === import.meta.filename) {
  const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as FloodPlan;
  const { size, fill, raw, fresh } = kindOf(plan);
  const fd = socketFor(plan, raw);
  const burst = new Burst(size, BATCH);
  for (let i = 0; i < BATCH; i++) fill(burst.payload(i));
  tightTimers();
  const most = plan.most ?? Infinity;
  const rate = plan.rate === 0 ? Infinity : plan.rate;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const end = begun + plan.seconds * 1000;
  let sent = 0;
  for (let now = begun; now < end && sent < most; now = performance.now()) {
    const due = Math.min(
      BATCH,
      most - sent,
      rate === Infinity ? BATCH : Math.floor(((now - begun) / 1000) * rate) - sent,
    );
    if (due <= 0) {
      wait([], [], 300);
      continue;
    }
    if (fresh) for (let i = 0; i < due; i++) fill(burst.payload(i));
    sent += burst.send(fd, due);
  }
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const told: Flooded = { sent, seconds, userMicros: user, systemMicros: system };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
