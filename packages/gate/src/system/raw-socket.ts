import { familyOf } from '@postern/protocol';
import { close, errnoName, fixedBytes, messageHeader, sendMessage, SOCKET, socket } from './libc.ts';

/** IPPROTO_RAW: the packet brings its own header. */
const IPPROTO_RAW = 255;
const SOCK_RAW = 3;

/**
 * Sends a whole IP packet to an address of 16 bytes; needs CAP_NET_RAW.
 *
 * @returns undefined, or the name of what the kernel said (`EPERM`)
 */
export function sendRawPacket(packet: Uint8Array, destination: Uint8Array): string | undefined {
  const family = familyOf(destination);
  const { AF_INET, AF_INET6, SOCK_CLOEXEC } = SOCKET;
  const fd = socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) return errnoName(fd);
  try {
    const [name, data] = [fixedBytes(family === 4 ? 16 : 28), fixedBytes(packet.length)];
    new DataView(name.buffer).setUint16(0, family === 4 ? AF_INET : AF_INET6, true);
    name.set(family === 4 ? destination.subarray(12) : destination, family === 4 ? 4 : 8);
    data.set(packet);
    const header = messageHeader(name, data, fixedBytes(0));
    header.reset(name.length, data.length, 0);
    const sent = sendMessage(fd, header.bytes, 0);
    return sent < 0 ? errnoName(sent) : undefined;
  } finally {
    close(fd);
  }
}
