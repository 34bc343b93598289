/** Sockets for measuring: sub-millisecond waits and many sends a second, which node's own sockets do not give. Blocking, little-endian machines. */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const native = {
  socket: libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number,
  close: libc.func('int close(int)') as (fd: number) => number,
  bind: libc.func('int bind(int, const void *, uint32_t)') as (fd: number, address: Uint8Array, size: number) => number,
  connect: libc.func('int connect(int, const void *, uint32_t)') as (
    fd: number,
    address: Uint8Array,
    size: number,
  ) => number,
  send: libc.func('long send(int, const void *, size_t, int)') as (
    fd: number,
    data: Uint8Array,
    size: number,
    flags: number,
  ) => number,
  recv: libc.func('long recv(int, void *, size_t, int)') as (
    fd: number,
    into: Uint8Array,
    size: number,
    flags: number,
  ) => number,
  ppoll: libc.func('int ppoll(void *, unsigned long, const void *, const void *)') as (
    fds: Uint8Array,
    count: number,
    timeout: Uint8Array,
    mask: null,
  ) => number,
  sendmmsg: libc.func('int sendmmsg(int, void *, unsigned int, int)') as (
    fd: number,
    messages: Uint8Array,
    count: number,
    flags: number,
  ) => number,
  sendto: libc.func('long sendto(int, const void *, size_t, int, const void *, uint32_t)') as (
    fd: number,
    data: Uint8Array,
    size: number,
    flags: number,
    to: Uint8Array,
    toSize: number,
  ) => number,
  prctl: libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)') as (
    option: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ) => number,
};

const [AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW, IPPROTO_TCP, IPPROTO_RAW, MSG_DONTWAIT] = [
  2, 10, 2, 3, 6, 255, 0x40,
] as const;
const [POLLIN, POLLOUT] = [1, 4] as const;

/** A socket address for an IPv4 (as ::ffff:a.b.c.d) or IPv6 address of 16 bytes. */
export function socketAddress(family: 4 | 6, address: Uint8Array, port: number): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(family === 4 ? address.subarray(12) : address, family === 4 ? 4 : 8);
  return bytes;
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${String(koffi.errno())}`);
  return result;
}

/** A UDP socket bound to `from` and connected to `to`. */
export function udpSocket(family: 4 | 6, from: Uint8Array, to: Uint8Array): number {
  const fd = must(native.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0), 'socket');
  must(native.bind(fd, from, from.length), 'bind');
  must(native.connect(fd, to, to.length), 'connect');
  return fd;
}

/** A raw socket for whole IPv4 packets to one address. */
export function rawSocket(to: Uint8Array): number {
  const fd = must(native.socket(AF_INET, SOCK_RAW, IPPROTO_RAW), 'raw socket');
  must(native.connect(fd, to, to.length), 'connect');
  return fd;
}

/** Sends one datagram; false when the kernel's queue is full. */
export function send(fd: number, data: Uint8Array): boolean {
  return native.send(fd, data, data.length, 0x40) === data.length;
}

/** Receives one datagram without waiting; undefined when there is none. */
export function receive(fd: number, into: Uint8Array): number | undefined {
  const size = native.recv(fd, into, into.length, 0x40);
  return size < 0 ? undefined : size;
}

/**
 * A bare TCP SYN that can be sent again and again at the price of one system call, and the raw socket that hears the answer: a probe by whole
 * sockets takes a core for itself and measures that. The client's kernel resets what is answered, as it knows of no connection.
 */
export class SynProbe {
  readonly #fd: number;
  readonly #syn: Uint8Array;
  readonly #to: Uint8Array;
  readonly #family: 4 | 6;
  readonly #ports: readonly [own: number, service: number];
  readonly #answer = new Uint8Array(256);

  /** @param from - 16 bytes, as `to`; @param port - the service's; @param own - the source port */
  constructor(family: 4 | 6, from: Uint8Array, own: number, to: Uint8Array, port: number) {
    this.#family = family;
    this.#ports = [own, port];
    this.#fd = must(native.socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_TCP), 'raw socket');
    const address = socketAddress(family, from, 0);
    must(native.bind(this.#fd, address, address.length), 'bind');
    this.#to = socketAddress(family, to, 0);
    this.#syn = new Uint8Array(20);
    const view = new DataView(this.#syn.buffer);
    view.setUint16(0, own);
    view.setUint16(2, port);
    view.setUint32(4, (Math.random() * 0x1_0000_0000) >>> 0);
    view.setUint16(12, (5 << 12) | 0x02);
    view.setUint16(14, 65_535);
    const ends = family === 4 ? [from.subarray(12), to.subarray(12)] : [from, to];
    view.setUint16(16, tcpChecksum(ends, this.#syn));
  }

  get fd(): number {
    return this.#fd;
  }

  send(): void {
    native.sendto(this.#fd, this.#syn, this.#syn.length, MSG_DONTWAIT, this.#to, this.#to.length);
  }

  /** Whether the service's SYN-ACK is among what was received. */
  answered(): boolean {
    for (;;) {
      const size = native.recv(this.#fd, this.#answer, this.#answer.length, MSG_DONTWAIT);
      if (size < 0) return false;
      // An IPv4 raw socket gives the IP header too.
      const at = this.#family === 4 ? ((this.#answer[0] ?? 0) & 15) * 4 : 0;
      const view = new DataView(this.#answer.buffer);
      const [from, to, flags] = [view.getUint16(at), view.getUint16(at + 2), view.getUint8(at + 13)];
      if (from === this.#ports[1] && to === this.#ports[0] && (flags & 0x12) === 0x12) return true;
    }
  }
}

/** TCP's checksum (RFC 9293, section 3.1) over the pseudo-header and a segment whose checksum field is zero. */
function tcpChecksum(ends: readonly Uint8Array[], segment: Uint8Array): number {
  let sum = IPPROTO_TCP + segment.length;
  for (const part of [...ends, segment]) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function close(fd: number): void {
  native.close(fd);
}

/** Waits at most `microseconds` for one of `writable` or `readable`; returns those that are, errors included. Sleeps, never spins. */
export function wait(writable: readonly number[], readable: readonly number[], microseconds: number): number[] {
  const fds = [...writable, ...readable];
  const bytes = new Uint8Array(Math.max(1, fds.length) * 8);
  const view = new DataView(bytes.buffer);
  fds.forEach((fd, i) => {
    view.setInt32(i * 8, fd, true);
    view.setInt16(i * 8 + 4, i < writable.length ? POLLOUT : POLLIN, true);
  });
  const timeout = new Uint8Array(16);
  const time = new DataView(timeout.buffer);
  time.setBigInt64(0, BigInt(Math.floor(microseconds / 1e6)), true);
  time.setBigInt64(8, BigInt(Math.floor((microseconds % 1e6) * 1000)), true);
  native.ppoll(bytes, fds.length, timeout, null);
  return fds.filter((_, i) => view.getInt16(i * 8 + 6, true) !== 0);
}

/** Lets short waits of this thread be short: the kernel's default slack is 50 µs. */
export function tightTimers(): void {
  native.prctl(29, 1, 0, 0, 0);
}

/** Many datagrams of one size in one call; buffers are made once. */
export class Burst {
  readonly payloads: Uint8Array;
  readonly #size: number;
  readonly #count: number;
  readonly #messages: Uint8Array;
  // referenced by address from #messages
  readonly #vectors: Uint8Array;

  constructor(size: number, count: number) {
    this.#size = size;
    this.#count = count;
    this.payloads = new Uint8Array(size * count);
    this.#vectors = new Uint8Array(16 * count);
    this.#messages = new Uint8Array(64 * count);
    const vectors = new DataView(this.#vectors.buffer);
    const messages = new DataView(this.#messages.buffer);
    const payloadAt = koffi.address(this.payloads);
    const vectorAt = koffi.address(this.#vectors);
    for (let i = 0; i < count; i++) {
      vectors.setBigUint64(i * 16, payloadAt + BigInt(i * size), true);
      vectors.setBigUint64(i * 16 + 8, BigInt(size), true);
      messages.setBigUint64(i * 64 + 16, vectorAt + BigInt(i * 16), true);
      messages.setBigUint64(i * 64 + 24, 1n, true);
    }
  }

  /** The bytes of datagram `i`. */
  payload(i: number): Uint8Array {
    return this.payloads.subarray(i * this.#size, (i + 1) * this.#size);
  }

  /** Sends the first `count` datagrams; returns how many went out. */
  send(fd: number, count: number = this.#count): number {
    const sent = native.sendmmsg(fd, this.#messages, Math.min(count, this.#count), 0);
    return Math.max(0, sent);
  }
}
