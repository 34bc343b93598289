import { PersonError } from '@postern/terminal';
import { dropAllFilter } from './filter.ts';
import { attachFilter, enlargeBuffer, FilteredSocket, type FilterVariant } from './filtered-socket.ts';
import * as libc from './libc.ts';

const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;

/** Size of struct sockaddr_ll. */
export const SOCKADDR_LL = 20;

/** Offsets within struct sockaddr_ll: interface index (u32) and what kind of packet it was (u8, 0 = to this host). */
export const LINK_ADDRESS = { family: 0, protocol: 2, interfaceIndex: 4, packetType: 10 } as const;

/**
 * Opens a packet socket (AF_PACKET, SOCK_DGRAM) that sees the knocks of one family on every interface, in front of the firewall. The
 * filter is in place before the socket is bound, so that nothing unfiltered is ever queued.
 * @throws PersonError when CAP_NET_RAW is missing; Error when the kernel refuses for another reason
 */
export function openPacketSocket(
  family: 4 | 6,
  port: number,
  tagKeys: readonly Uint8Array[],
): { socket: FilteredSocket; filter: FilterVariant } {
  return opened(family, (fd) => {
    const socket = new FilteredSocket(fd, family === 4 ? 'ip4' : 'ip6', port);
    return { socket, filter: socket.hear(tagKeys) };
  });
}

/** A packet socket for port knocks, or for the format of fwknop. What it hears can be changed while another process reads from it; it is never without a filter. */
export class PacketSocket implements Disposable {
  readonly fd: number;

  /** @throws PersonError when CAP_NET_RAW is missing; Error when the kernel refuses for another reason */
  constructor(family: 4 | 6) {
    this.fd = opened(family, (fd) => {
      const result = attachFilter(fd, dropAllFilter());
      if (result !== 0) throw new Error(`cannot attach a socket filter: ${libc.errnoName(result)}`);
      return fd;
    });
  }

  /** Takes another filter into use; false when the kernel has no room for it, and then nothing is heard. */
  hear(program: Uint8Array): boolean {
    if (attachFilter(this.fd, program) === 0) return true;
    // The old program counts against net.core.optmem_max until the new one is in place.
    attachFilter(this.fd, dropAllFilter());
    return attachFilter(this.fd, program) === 0;
  }

  /** Hears nothing. */
  deafen(): void {
    attachFilter(this.fd, dropAllFilter());
  }

  [Symbol.dispose](): void {
    libc.close(this.fd);
  }
}

/** Opens a packet socket of one family; `prepare` gives it a filter before it is bound. */
function opened<T>(family: 4 | 6, prepare: (fd: number) => T): T {
  const { AF_PACKET, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = libc.SOCKET;
  // Protocol 0: it receives nothing until it is bound.
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd === -libc.ERRNO.EPERM) {
    throw new PersonError('packet sockets are not permitted: the capability CAP_NET_RAW is missing', {
      hint: 'run posternd as root or by its systemd unit; in a container add NET_RAW, or set capture = "dgram"',
    });
  }
  if (fd < 0) throw new Error(`cannot open a packet socket: ${libc.errnoName(fd)}`);
  try {
    const made = prepare(fd);
    enlargeBuffer(fd);
    const address = new Uint8Array(SOCKADDR_LL);
    const view = new DataView(address.buffer);
    view.setUint16(LINK_ADDRESS.family, AF_PACKET, true);
    view.setUint16(LINK_ADDRESS.protocol, ETHERTYPE[family]);
    const bound = libc.bindSocket(fd, address);
    if (bound < 0) throw new Error(`cannot bind a packet socket: ${libc.errnoName(bound)}`);
    return made;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}
