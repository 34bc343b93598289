/**
 * The few functions of the C library that Node does not offer, called through koffi. Each returns what the kernel returned, or
 * minus the errno: no exceptions, no allocation. Structures are plain bytes in the machine's order; every supported machine
 * (x86_64, aarch64) is little-endian with 8-byte pointers.
 */
import koffi from 'koffi';

const library = koffi.load(null);

const c = {
  socket: library.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number,
  socketpair: library.func('int socketpair(int, int, int, void *)') as (
    family: number,
    type: number,
    protocol: number,
    fds: Uint8Array,
  ) => number,
  bind: library.func('int bind(int, void *, uint32)') as (fd: number, address: Uint8Array, size: number) => number,
  setsockopt: library.func('int setsockopt(int, int, int, void *, uint32)') as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    size: number,
  ) => number,
  getsockopt: library.func('int getsockopt(int, int, int, void *, void *)') as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    size: Uint8Array,
  ) => number,
  getsockname: library.func('int getsockname(int, void *, void *)') as (
    fd: number,
    address: Uint8Array,
    size: Uint8Array,
  ) => number,
  recv: library.func('long recv(int, void *, size_t, int)') as (
    fd: number,
    into: Uint8Array,
    size: number,
    flags: number,
  ) => number,
  recvfrom: library.func('long recvfrom(int, void *, size_t, int, void *, void *)') as (
    fd: number,
    into: Uint8Array,
    size: number,
    flags: number,
    address: Uint8Array,
    length: Uint8Array,
  ) => number,
  recvmsg: library.func('long recvmsg(int, void *, int)') as (fd: number, message: Uint8Array, flags: number) => number,
  send: library.func('long send(int, void *, size_t, int)') as (
    fd: number,
    bytes: Uint8Array,
    size: number,
    flags: number,
  ) => number,
  sendmsg: library.func('long sendmsg(int, void *, int)') as (fd: number, message: Uint8Array, flags: number) => number,
  poll: library.func('int poll(void *, unsigned long, int)') as (
    fds: Uint8Array,
    count: number,
    timeout: number,
  ) => number,
  close: library.func('int close(int)') as (fd: number) => number,
  exit: library.func('int _exit(int)') as (code: number) => number,
  prctl: library.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)') as (
    option: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ) => number,
  syscall: library.func('long syscall(long, long, long, void *)') as (
    number: number,
    a: number,
    b: number,
    c: Uint8Array,
  ) => number,
  closeRange: library.func('long syscall(long, unsigned long, unsigned long, long)') as (
    number: number,
    first: number,
    last: number,
    flags: number,
  ) => number,
};

/** Nothing may run between the call and this: errno is the thread's own and any other call may change it. */
function checked(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

/** Error numbers, the same on both machines. */
export const ERRNO = {
  EPERM: 1,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  EADDRINUSE: 98,
  EAFNOSUPPORT: 97,
} as const;

const NAMES = new Map<number, string>(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

/** The name of an error, such as `EADDRINUSE`, from what a call returned (negative). */
export function errnoName(result: number): string {
  return NAMES.get(-result) ?? `errno ${String(-result)}`;
}

/** What is the same on both machines, from the kernel's headers. */
export const SOCKET = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_PACKET: 17,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0x800,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_ATTACH_FILTER: 26,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SOL_PACKET: 263,
  PACKET_STATISTICS: 6,
  IPPROTO_IP: 0,
  IP_PKTINFO: 8,
  IPPROTO_IPV6: 41,
  IPV6_V6ONLY: 26,
  IPV6_RECVPKTINFO: 49,
  IPV6_PKTINFO: 50,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
} as const;

/** Events of {@link poll}. */
export const POLL = { in: 1, err: 8, hup: 16, nval: 32 } as const;

/** socket(2): a descriptor. */
export function socket(family: number, type: number, protocol: number): number {
  return checked(c.socket(family, type, protocol));
}

/**
 * socketpair(2): both ends of a stream, closed in programs that are executed unless they are handed over.
 * @throws Error when there are no descriptors left
 */
export function streamPair(): readonly [number, number] {
  const fds = new Uint8Array(8);
  const result = checked(c.socketpair(SOCKET.AF_UNIX, SOCKET.SOCK_STREAM | SOCKET.SOCK_CLOEXEC, 0, fds));
  if (result < 0) throw new Error(`socketpair: ${errnoName(result)}`);
  const view = new DataView(fds.buffer);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

/** bind(2). */
export function bindSocket(fd: number, address: Uint8Array): number {
  return checked(c.bind(fd, address, address.length));
}

/** setsockopt(2) with any value. */
export function setOption(fd: number, level: number, name: number, value: Uint8Array): number {
  return checked(c.setsockopt(fd, level, name, value, value.length));
}

/** setsockopt(2) with an int. */
export function setIntOption(fd: number, level: number, name: number, value: number): number {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return setOption(fd, level, name, bytes);
}

/** getsockopt(2): fills `value`. */
export function getOption(fd: number, level: number, name: number, value: Uint8Array): number {
  return checked(c.getsockopt(fd, level, name, value, sizeOf(value)));
}

/** getsockname(2): fills `address`. */
export function socketName(fd: number, address: Uint8Array): number {
  return checked(c.getsockname(fd, address, sizeOf(address)));
}

/** recv(2): number of bytes, 0 at the end of a stream. */
export function receive(fd: number, into: Uint8Array, flags: number): number {
  return checked(c.recv(fd, into, into.length, flags));
}

/** recvfrom(2); `length` holds the address's size as an int, before and after. */
export function receiveFrom(
  fd: number,
  into: Uint8Array,
  flags: number,
  address: Uint8Array,
  length: Uint8Array,
): number {
  return checked(c.recvfrom(fd, into, into.length, flags, address, length));
}

/** recvmsg(2); `message` is a struct msghdr as {@link messageHeader} makes it. */
export function receiveMessage(fd: number, message: Uint8Array, flags: number): number {
  return checked(c.recvmsg(fd, message, flags));
}

/** send(2): number of bytes. */
export function send(fd: number, bytes: Uint8Array, flags: number): number {
  return checked(c.send(fd, bytes, bytes.length, flags));
}

/** sendmsg(2); `message` is a struct msghdr as {@link messageHeader} makes it. */
export function sendMessage(fd: number, message: Uint8Array, flags: number): number {
  return checked(c.sendmsg(fd, message, flags));
}

/** poll(2): number of descriptors with events. `fds` is an array of struct pollfd, 8 bytes each; `timeout` in ms, -1 for none. */
export function poll(fds: Uint8Array, timeout: number): number {
  return checked(c.poll(fds, fds.length >>> 3, timeout));
}

/** close(2). */
export function close(fd: number): number {
  return checked(c.close(fd));
}

/**
 * _exit(2): ends the process at once. Behind the sandbox nothing else does it quietly: Node closes its event loops first, and libuv would
 * hand their last changes to an io_uring and abort.
 */
export function exitNow(code: number): never {
  c.exit(code);
  throw new Error('_exit returned');
}

/** prctl(2) with one argument. It changes the calling thread only. */
export function prctl(option: number, argument: number): number {
  return checked(c.prctl(option, argument, 0, 0, 0));
}

/** syscall(2) with two numbers and a pointer. */
export function syscall(number: number, a: number, b: number, pointer: Uint8Array): number {
  return checked(c.syscall(number, a, b, pointer));
}

/**
 * Has all descriptors from `first` on closed in programs that are executed from now on, but for those that are handed over on purpose
 * (close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11).
 * @throws Error when the kernel is older
 */
export function closeOnExec(first: number): void {
  const [CLOSE_RANGE, CLOEXEC] = [436, 4];
  const result = checked(c.closeRange(CLOSE_RANGE, first, 0xffff_ffff, CLOEXEC));
  if (result < 0) throw new Error(`close_range: ${errnoName(result)}`);
}

/** Bytes that never move, so that their address may stand in a structure for as long as they are referenced. */
export function fixedBytes(size: number): Uint8Array<ArrayBuffer> {
  // Small typed arrays live on the JavaScript heap and move; one over an ArrayBuffer of its own does not.
  return new Uint8Array(new ArrayBuffer(size));
}

/** Writes the address of `target` ({@link fixedBytes}) as a pointer. */
export function putPointer(into: DataView, offset: number, target: Uint8Array): void {
  into.setBigUint64(offset, koffi.address(target), true);
}

/** A struct sock_fprog, and the program that it points to. */
export interface FilterProgram {
  /** The structure, 16 bytes. */
  readonly bytes: Uint8Array;
  /** Kept so that it lives as long. */
  readonly program: Uint8Array;
}

/** A struct sock_fprog over a classic BPF program, 8 bytes an instruction. */
export function filterProgram(program: Uint8Array): FilterProgram {
  const bytes = fixedBytes(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, program.length >>> 3, true);
  putPointer(view, 8, program);
  return { bytes, program };
}

/** Offsets within struct msghdr. */
export const MSGHDR = {
  name: 0,
  nameLength: 8,
  iov: 16,
  iovLength: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
} as const;

/** A struct msghdr over buffers that stay the same for its whole life, so that a call allocates nothing. */
export interface MessageHeader {
  /** The structure, 56 bytes. */
  readonly bytes: Uint8Array;
  /** What the structure points to, so that it lives as long. */
  readonly parts: readonly Uint8Array[];
  /** Sets the sizes, which recvmsg(2) overwrites: of address, data and control data. */
  readonly reset: (nameLength: number, dataLength: number, controlLength: number) => void;
}

/** Makes a struct msghdr over fixed buffers ({@link fixedBytes}). */
export function messageHeader(name: Uint8Array, data: Uint8Array, control: Uint8Array): MessageHeader {
  const iov = fixedBytes(16);
  const iovView = new DataView(iov.buffer);
  putPointer(iovView, 0, data);
  const bytes = fixedBytes(56);
  const view = new DataView(bytes.buffer);
  putPointer(view, MSGHDR.name, name);
  putPointer(view, MSGHDR.iov, iov);
  view.setUint32(MSGHDR.iovLength, 1, true);
  putPointer(view, MSGHDR.control, control);
  return {
    bytes,
    parts: [iov, name, data, control],
    reset: (nameLength, dataLength, controlLength) => {
      view.setUint32(MSGHDR.nameLength, nameLength, true);
      iovView.setUint32(8, dataLength, true);
      view.setUint32(MSGHDR.controlLength, controlLength, true);
      view.setUint32(MSGHDR.flags, 0, true);
    },
  };
}

function sizeOf(value: Uint8Array): Uint8Array {
  const size = new Uint8Array(4);
  new DataView(size.buffer).setInt32(0, value.length, true);
  return size;
}
