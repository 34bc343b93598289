import { RECEIPT } from '@postern/protocol';
import * as libc from '../system/libc.ts';
import type { ReplyPath } from './pending.ts';

/** Sizes of struct sockaddr_in and in6, and of a struct cmsghdr with an in_pktinfo or in6_pktinfo: its length and what it takes. */
const SIZE = {
  4: { address: 16, message: 28, space: 32 },
  6: { address: 28, message: 36, space: 40 },
} as const;
const DATA = 16;

/** Sends receipts of one family from a UDP socket on the knock port, from the address that was knocked (IP_PKTINFO, RFC 3542). */
export class ReplySocket {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #name: Uint8Array;
  readonly #data: Uint8Array = libc.fixedBytes(RECEIPT.size);
  readonly #control: Uint8Array;
  readonly #message: libc.MessageHeader;

  constructor(fd: number, family: 4 | 6) {
    this.#fd = fd;
    this.#family = family;
    this.#name = libc.fixedBytes(SIZE[family].address);
    this.#control = libc.fixedBytes(SIZE[family].space);
    this.#message = libc.messageHeader(this.#name, this.#data, this.#control);
  }

  /** Sends a receipt of 128 bytes; never waits. False when the kernel did not take it: then the client asks again. */
  send(path: ReplyPath, receipt: Uint8Array): boolean {
    this.#data.set(receipt);
    const { AF_INET, AF_INET6, IPPROTO_IP, IP_PKTINFO, IPPROTO_IPV6, IPV6_PKTINFO } = libc.SOCKET;
    const name = new DataView(this.#name.buffer);
    const control = new DataView(this.#control.buffer);
    const size = SIZE[this.#family];
    name.setUint16(2, path.port);
    control.setUint32(0, size.message, true);
    if (this.#family === 4) {
      name.setUint16(0, AF_INET, true);
      this.#name.set(path.address.subarray(12), 4);
      control.setInt32(8, IPPROTO_IP, true);
      control.setInt32(12, IP_PKTINFO, true);
      // No interface: the way back is the routing table's to choose, the source address is ours.
      this.#control.set(path.local.subarray(12), DATA + 4);
    } else {
      name.setUint16(0, AF_INET6, true);
      this.#name.set(path.address, 8);
      control.setInt32(8, IPPROTO_IPV6, true);
      control.setInt32(12, IPV6_PKTINFO, true);
      this.#control.set(path.local, DATA);
      // A link-local address means nothing without its link.
      const scope = path.address[0] === 0xfe && ((path.address[1] ?? 0) & 0xc0) === 0x80 ? path.interfaceIndex : 0;
      name.setUint32(24, scope, true);
      control.setInt32(DATA + 16, scope, true);
    }
    this.#message.reset(size.address, RECEIPT.size, size.space);
    const { MSG_DONTWAIT, MSG_NOSIGNAL } = libc.SOCKET;
    return libc.sendMessage(this.#fd, this.#message.bytes, MSG_DONTWAIT | MSG_NOSIGNAL) === RECEIPT.size;
  }
}
