/**
 * Netlink (RFC 3549; linux/netlink.h): messages built into one reused buffer, sent in one call, and what the kernel answers. Headers
 * are in the machine's byte order (little-endian on every supported one), values of nf_tables attributes big-endian.
 */
import { POLL, SOCKET, close, errnoName, poll, receive, send, setIntOption, socket } from './libc.ts';

/** Flags of a message header. */
export const NLM_F = { request: 1, ack: 4, dump: 0x300, excl: 0x200, create: 0x400 } as const;

/** Types of messages that every subsystem has. */
const NLMSG = { error: 2, done: 3 } as const;
const NLM_F_DUMP_INTR = 0x10;
const HEADER = 16;
/** nlmsghdr and nfgenmsg. */
const NF_HEADER = 20;
const NESTED = 0x8000;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_NETFILTER = 12;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;

const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const BUFFER = 1 << 20;
/** The kernel answers within send(2); this is for one that is being suspended or traced. */
const PATIENCE_MS = 5000;

const EAGAIN = -11;
const EINTR = -4;
const EBADF = -9;
const ENOBUFS = -105;
const EMSGSIZE = -90;

/** An error of the system, by its name ("EPERM"). */
export class SystemError extends Error {
  readonly code: string;

  /** `result` is what the call returned: minus the errno. */
  constructor(what: string, result: number) {
    const code = errnoName(result);
    super(`${what}: ${code}`);
    this.name = 'SystemError';
    this.code = code;
  }
}

/** Builds netlink messages one after the other. A message or nest that was begun must be ended. */
export class MessageWriter {
  readonly #buffer = Buffer.alloc(BUFFER);
  #length = 0;
  #message = 0;
  #sequence = 1;
  #overflow = false;

  /** What was written since `reset`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Sequence number of the last message. */
  get sequence(): number {
    return this.#sequence;
  }

  /** True when something did not fit 1 MiB: what was written is useless. */
  get overflow(): boolean {
    return this.#overflow;
  }

  /** Starts anew; sequence numbers go on, so that a late answer is never taken for one to a newer message. */
  reset(): void {
    this.#length = 0;
    this.#overflow = false;
  }

  /** Begins a message to nf_tables in `family` and returns its sequence number. */
  begin(type: number, flags: number, family: number): number {
    return this.#begin((NFNL_SUBSYS_NFTABLES << 8) | type, flags, family, 0);
  }

  /** Ends the message. */
  end(): void {
    if (!this.#overflow) this.#buffer.writeUInt32LE(this.#length - this.#message, this.#message);
  }

  /** Begins a transaction: all that follows until `endBatch` happens or nothing does. */
  beginBatch(): void {
    this.#begin(BATCH_BEGIN, NLM_F.request, 0, NFNL_SUBSYS_NFTABLES);
    this.end();
  }

  /** Ends a transaction. */
  endBatch(): void {
    this.#begin(BATCH_END, NLM_F.request, 0, NFNL_SUBSYS_NFTABLES);
    this.end();
  }

  /** Asks for an answer to the message that ended last, also when it succeeds. */
  acknowledge(): void {
    if (this.#overflow) return;
    this.#buffer.writeUInt16LE(this.#buffer.readUInt16LE(this.#message + 6) | NLM_F.ack, this.#message + 6);
  }

  /** Begins a nested attribute; its result is what `endNest` takes. */
  beginNest(type: number): number {
    const at = this.#length;
    this.#attribute(type | NESTED, 0);
    return at;
  }

  /** Ends a nested attribute. Its size must be less than 64 KiB. */
  endNest(at: number): void {
    if (this.#overflow) return;
    const size = this.#length - at;
    if (size > 0xffff) throw new RangeError(`a netlink attribute holds at most 65,535 bytes, not ${size}`);
    this.#buffer.writeUInt16LE(size, at);
  }

  /** Attribute with text, zero-terminated; ASCII only. */
  text(type: number, value: string): void {
    const at = this.#attribute(type, value.length + 1);
    if (at < 0) return;
    this.#buffer.write(value, at, 'latin1');
    this.#buffer[at + value.length] = 0;
  }

  /** Attribute with 4 bytes, big-endian. */
  u32(type: number, value: number): void {
    const at = this.#attribute(type, 4);
    if (at >= 0) this.#buffer.writeUInt32BE(value, at);
  }

  /** Attribute with 8 bytes, big-endian. */
  u64(type: number, value: number): void {
    const at = this.#attribute(type, 8);
    if (at < 0) return;
    this.#buffer.writeUInt32BE(Math.floor(value / 2 ** 32), at);
    this.#buffer.writeUInt32BE(value % 2 ** 32, at + 4);
  }

  /** Attribute with any bytes. */
  data(type: number, value: Uint8Array): void {
    const at = this.#attribute(type, value.length);
    if (at >= 0) this.#buffer.set(value, at);
  }

  #begin(type: number, flags: number, family: number, resource: number): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    if (!this.#fits(NF_HEADER)) return this.#sequence;
    const buffer = this.#buffer;
    const at = this.#length;
    this.#message = at;
    buffer.writeUInt32LE(NF_HEADER, at);
    buffer.writeUInt16LE(type, at + 4);
    buffer.writeUInt16LE(flags | NLM_F.request, at + 6);
    buffer.writeUInt32LE(this.#sequence, at + 8);
    buffer.writeUInt32LE(0, at + 12);
    buffer[at + 16] = family;
    buffer[at + 17] = 0;
    buffer.writeUInt16BE(resource, at + 18);
    this.#length = at + NF_HEADER;
    return this.#sequence;
  }

  /** Where the value goes, or -1 when it does not fit. */
  #attribute(type: number, size: number): number {
    const at = this.#length;
    const padded = (size + 3) & ~3;
    if (!this.#fits(4 + padded)) return -1;
    this.#buffer.writeUInt16LE(4 + size, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    this.#buffer.fill(0, at + 4 + size, at + 4 + padded);
    this.#length = at + 4 + padded;
    return at + 4;
  }

  #fits(size: number): boolean {
    if (this.#length + size > BUFFER) this.#overflow = true;
    return !this.#overflow;
  }
}

/** One attribute: where its value lies in the buffer it was read from. */
export interface Attribute {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/** Reads the attributes between two offsets. Total: a malformed rest is left out. */
export function attributes(buffer: Buffer, start: number, end: number): Attribute[] {
  const found: Attribute[] = [];
  for (let at = start; at + 4 <= end;) {
    const size = buffer.readUInt16LE(at);
    if (size < 4 || at + size > end) break;
    found.push({ type: buffer.readUInt16LE(at + 2) & 0x3fff, start: at + 4, end: at + size });
    at += (size + 3) & ~3;
  }
  return found;
}

/** The answer to one exchange. */
export interface Answer {
  /** Errors by sequence number, in the order of the messages; the number is minus the errno. */
  readonly errors: readonly { readonly sequence: number; readonly error: number }[];
  /** True when a dump was disturbed by a change and must be asked for again. */
  readonly disturbed: boolean;
}

/** What an exchange does with a message that carries data: where its attributes begin and end, and to which message it is the answer. */
export type OnData = (buffer: Buffer, start: number, end: number, sequence: number) => void;

/** A socket to the kernel's netfilter in the network namespace of the thread that opens it. */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #receive = Buffer.alloc(1 << 16);
  #closed = false;

  /** Throws SystemError when the kernel has no netfilter netlink. */
  constructor() {
    this.#fd = socket(AF_NETLINK, SOCK_RAW | SOCKET.SOCK_CLOEXEC | SOCKET.SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (this.#fd < 0) throw new SystemError('netlink socket', this.#fd);
    // Without these only very large batches fail: each error would otherwise carry a copy of its message.
    setIntOption(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setIntOption(this.#fd, SOCKET.SOL_SOCKET, SOCKET.SO_SNDBUFFORCE, 2 * BUFFER);
    setIntOption(this.#fd, SOCKET.SOL_SOCKET, SOCKET.SO_RCVBUFFORCE, 2 * BUFFER);
  }

  /**
   * Sends what `writer` holds and reads until the answer to `last` (its acknowledgement, an error, or the end of its dump). Throws
   * SystemError when the kernel takes nothing or does not answer; what then became of the messages is unknown.
   */
  exchange(writer: MessageWriter, first: number, last: number, onData?: OnData): Answer {
    if (writer.overflow) throw new SystemError('netlink message', EMSGSIZE);
    // The number may be somebody else's by now.
    if (this.#closed) throw new SystemError('netlink socket', EBADF);
    const isBatch = writer.bytes.readUInt16LE(4) === BATCH_BEGIN;
    let sent: number;
    do sent = send(this.#fd, writer.bytes, 0);
    while (sent === EINTR);
    if (sent < 0) throw new SystemError('netlink send', sent);
    const errors: { sequence: number; error: number }[] = [];
    let disturbed = false;
    for (let done = false; !done;) {
      const size = this.#read();
      const buffer = this.#receive;
      for (let at = 0; at + HEADER <= size;) {
        const length = buffer.readUInt32LE(at);
        if (length < HEADER || at + length > size) break;
        const type = buffer.readUInt16LE(at + 4);
        const sequence = buffer.readUInt32LE(at + 8);
        if (sequence >= first && sequence <= last) {
          if ((buffer.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0) disturbed = true;
          if (type === NLMSG.error || type === NLMSG.done) {
            const error = length >= HEADER + 4 ? buffer.readInt32LE(at + HEADER) : 0;
            if (error !== 0) errors.push({ sequence, error });
            // An error of the batch as a whole bears its first number, and the last may never be answered.
            if (sequence === last || (isBatch && sequence === first && error !== 0)) done = true;
          } else {
            onData?.(buffer, at + NF_HEADER, at + length, sequence);
          }
        }
        at += (length + 3) & ~3;
      }
    }
    return { errors, disturbed };
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.#fd);
  }

  #read(): number {
    for (;;) {
      const size = receive(this.#fd, this.#receive, SOCKET.MSG_DONTWAIT);
      if (size >= 0) return size;
      if (size === EAGAIN) {
        const fds = Buffer.alloc(8);
        fds.writeInt32LE(this.#fd, 0);
        fds.writeInt16LE(POLL.in, 4);
        const ready = poll(fds, PATIENCE_MS);
        if (ready === 0) throw new SystemError('netlink answer', EAGAIN);
        if (ready < 0 && ready !== EINTR) throw new SystemError('netlink poll', ready);
      } else if (size === ENOBUFS) {
        throw new SystemError('netlink answers lost', ENOBUFS);
      } else if (size !== EINTR) {
        throw new SystemError('netlink receive', size);
      }
    }
  }
}
