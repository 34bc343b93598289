import { PersonError } from '@postern/terminal';
import { enlargeBuffer, FilteredSocket, type FilterVariant } from './filtered-socket.ts';
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
  const { AF_PACKET, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = libc.SOCKET;
  // Protocol 0: it receives nothing until it is bound.
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd === -libc.ERRNO.EPERM) {
    throw new PersonError('packet sockets are not permitted: the capability CAP_NET_RAW is missing', {
      hint: 'run posternd as root or by its systemd unit; in a container add NET_RAW, or set capture = "dgram"',
    });
  }
  if (fd < 0) throw new Error(`cannot open a packet socket: ${libc.errnoName(fd)}`);
  const socket = new FilteredSocket(fd, family === 4 ? 'ip4' : 'ip6', port);
  try {
    const filter = socket.hear(tagKeys);
    enlargeBuffer(fd);
    const address = new Uint8Array(SOCKADDR_LL);
    const view = new DataView(address.buffer);
    view.setUint16(LINK_ADDRESS.family, AF_PACKET, true);
    view.setUint16(LINK_ADDRESS.protocol, ETHERTYPE[family]);
    const bound = libc.bindSocket(fd, address);
    if (bound < 0) throw new Error(`cannot bind a packet socket: ${libc.errnoName(bound)}`);
    return { socket, filter };
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
}
