import koffi from 'koffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/**
 * Tells the service manager a line of `sd_notify(3)` ("READY=1"), over the datagram socket that NOTIFY_SOCKET names (a leading `@`
 * is an abstract name). Returns whether it was sent; without a service manager it does nothing.
 */
export function notifyManager(socketName: string | undefined, lines: string): boolean {
  if (socketName === undefined || (!socketName.startsWith('/') && !socketName.startsWith('@'))) return false;
  const path = Buffer.from(socketName, 'utf8');
  if (path.length > 107) return false;
  const address = Buffer.alloc(2 + path.length + (socketName.startsWith('/') ? 1 : 0));
  address.writeUInt16LE(AF_UNIX, 0);
  path.copy(address, 2);
  if (socketName.startsWith('@')) address[2] = 0;
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number;
  const sendto = libc.func('long sendto(int, const void *, size_t, int, const void *, uint32_t)') as (
    fd: number,
    data: Uint8Array,
    size: number,
    flags: number,
    to: Uint8Array,
    toSize: number,
  ) => number;
  const close = libc.func('int close(int)') as (fd: number) => number;
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const data = Buffer.from(lines, 'utf8');
  const sent = sendto(fd, data, data.length, 0x40, address, address.length);
  close(fd);
  return sent === data.length;
}
