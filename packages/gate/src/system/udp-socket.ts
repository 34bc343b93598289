import { PersonError } from '@postern/terminal';
import { enlargeBuffer, FilteredSocket, type FilterVariant } from './filtered-socket.ts';
import * as libc from './libc.ts';

/** How a UDP socket is used: only to send receipts, or to read knocks too. */
export type UdpUse = { readonly use: 'send' } | { readonly use: 'receive'; readonly tagKeys: readonly Uint8Array[] };

/** Sizes of struct sockaddr_in and sockaddr_in6. */
export const SOCKADDR_SIZE = { 4: 16, 6: 28 } as const;

/**
 * Opens the UDP socket of one family on the knock port of every address. Receipts leave from it, so that they come from the port that was
 * knocked; it also keeps other programs off the port. What arrives passes a filter from the first packet on: nothing for `send`.
 * @returns undefined when this host does not have the family
 * @throws PersonError when the port is in use or not permitted; Error when the kernel refuses for another reason
 */
export function openUdpSocket(
  family: 4 | 6,
  port: number,
  use: UdpUse,
): { socket: FilteredSocket; filter: FilterVariant | undefined } | undefined {
  const { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = libc.SOCKET;
  const domain = family === 4 ? AF_INET : AF_INET6;
  const fd = libc.socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd === -libc.ERRNO.EAFNOSUPPORT) return undefined;
  if (fd < 0) throw new Error(`cannot open a UDP socket: ${libc.errnoName(fd)}`);
  const socket = new FilteredSocket(fd, 'udp', port);
  try {
    let filter: FilterVariant | undefined;
    if (use.use === 'send') socket.deafen();
    else filter = socket.hear(use.tagKeys);
    enlargeBuffer(fd);
    const { IPPROTO_IP, IP_PKTINFO, IPPROTO_IPV6, IPV6_V6ONLY, IPV6_RECVPKTINFO } = libc.SOCKET;
    if (family === 4) {
      must(libc.setIntOption(fd, IPPROTO_IP, IP_PKTINFO, 1));
    } else {
      must(libc.setIntOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
      must(libc.setIntOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
    }
    const address = new Uint8Array(SOCKADDR_SIZE[family]);
    const view = new DataView(address.buffer);
    view.setUint16(0, domain, true);
    view.setUint16(2, port);
    const bound = libc.bindSocket(fd, address);
    if (bound < 0) throw bindError(bound, family, port);
    return { socket, filter };
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
}

function must(result: number): void {
  if (result < 0) throw new Error(`cannot set up a UDP socket: ${libc.errnoName(result)}`);
}

function bindError(result: number, family: 4 | 6, port: number): Error {
  const where = `udp port ${String(port)} (IPv${String(family)})`;
  if (result === -libc.ERRNO.EADDRINUSE) {
    return new PersonError(`${where} is in use by another program`, {
      hint: `ss -ulpn 'sport = :${String(port)}' shows which; stop it, or choose another port in posternd.toml`,
    });
  }
  if (result === -libc.ERRNO.EACCES) {
    return new PersonError(`${where} may not be used: ports below 1024 need the capability CAP_NET_BIND_SERVICE`, {
      hint: 'choose a port from 1024 on in posternd.toml',
    });
  }
  return new Error(`cannot bind ${where}: ${libc.errnoName(result)}`);
}
