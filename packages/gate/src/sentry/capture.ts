/** Where datagrams come from: packet sockets, or UDP sockets where an open port is wanted. */
import { FWKNOP_PAYLOAD } from '../system/fwknop-filter.ts';
import * as libc from '../system/libc.ts';
import { LINK_ADDRESS, SOCKADDR_LL } from '../system/packet-socket.ts';
import { decodeFwknopPacket, newFwknopDatagram, type FwknopDatagram } from './decode-fwknop.ts';
import { decodePacket, newDatagram, putMapped, type Datagram } from './decode-packet.ts';
import { decodePortKnock, newPortKnock, type PortKnock } from './decode-port-knock.ts';

/** `empty`: nothing waits. `strange`: something came that has not the form of a knock. `datagram`: it is in {@link Capture.datagram}. */
export type Arrival = 'empty' | 'strange' | 'datagram';

/** One descriptor that knocks are read from. */
export interface Capture {
  readonly fd: number;
  /** The buffer that the datagram's payload is in. */
  readonly buffer: Buffer;
  /** The datagram that came last. */
  readonly datagram: Datagram;
  /** Reads one datagram; never waits. */
  readonly next: () => Arrival;
}

/** More than any knock with its headers; what is longer is cut off, and then has not the form of one. */
const BUFFER = 2048;
const PACKET_HOST = 0;

/** Reads a packet socket (AF_PACKET, SOCK_DGRAM), a packet at a time. */
interface PacketReader {
  readonly buffer: Buffer;
  /** Size of the packet that is in the buffer now; never waits. */
  readonly read: () => number | 'empty' | 'strange';
  /** Index of the interface that it came in by. */
  readonly interfaceIndex: () => number;
}

function packetReader(fd: number): PacketReader {
  const buffer = Buffer.from(libc.fixedBytes(BUFFER).buffer);
  const address = libc.fixedBytes(SOCKADDR_LL);
  const view = new DataView(address.buffer);
  const length = libc.fixedBytes(4);
  const lengthView = new DataView(length.buffer);
  return {
    buffer,
    read: () => {
      lengthView.setUint32(0, SOCKADDR_LL, true);
      const size = libc.receiveFrom(fd, buffer, libc.SOCKET.MSG_DONTWAIT, address, length);
      if (size < 0) return 'empty';
      // The filter says the same; but it may be a moment younger than the packet.
      return address[LINK_ADDRESS.packetType] === PACKET_HOST ? size : 'strange';
    },
    interfaceIndex: () => view.getInt32(LINK_ADDRESS.interfaceIndex, true),
  };
}

/** Reads knocks from a packet socket of one family. */
export function packetCapture(fd: number, family: 4 | 6, port: number): Capture {
  const { buffer, read, interfaceIndex } = packetReader(fd);
  const datagram = newDatagram(family);
  return {
    fd,
    buffer,
    datagram,
    next: () => {
      const size = read();
      if (typeof size !== 'number') return size;
      datagram.interfaceIndex = interfaceIndex();
      return decodePacket(buffer, size, port, datagram) ? 'datagram' : 'strange';
    },
  };
}

/** One descriptor that packets of fwknop's format are read from. */
export interface FwknopCapture extends Omit<Capture, 'datagram'> {
  readonly datagram: FwknopDatagram;
}

/** Reads packets of fwknop's format from a packet socket of one family. */
export function fwknopCapture(fd: number, family: 4 | 6): FwknopCapture {
  const { buffer, read, interfaceIndex } = packetReader(fd);
  const datagram = newFwknopDatagram(family);
  return {
    fd,
    buffer,
    datagram,
    next: () => {
      const size = read();
      if (typeof size !== 'number') return size;
      datagram.interfaceIndex = interfaceIndex();
      return decodeFwknopPacket(buffer, size, datagram) ? 'datagram' : 'strange';
    },
  };
}

/** Offsets within struct cmsghdr and its data: in_pktinfo of ip(7), in6_pktinfo of RFC 3542. */
const CONTROL = { level: 8, type: 12, data: 16, size4: 28, size6: 36, space4: 32, space6: 40 } as const;
const PKTINFO4 = { interfaceIndex: 0, local: 4 } as const;
const PKTINFO6 = { address: 0, interfaceIndex: 16 } as const;

/** Reads knocks from a UDP socket of one family that gives IP_PKTINFO or IPV6_PKTINFO. */
export function udpCapture(fd: number, family: 4 | 6): Capture {
  const buffer = Buffer.from(libc.fixedBytes(BUFFER).buffer);
  const datagram = newDatagram(family);
  const name = libc.fixedBytes(28);
  const nameView = new DataView(name.buffer);
  const control = libc.fixedBytes(family === 4 ? CONTROL.space4 : CONTROL.space6);
  const controlView = new DataView(control.buffer);
  const message = libc.messageHeader(name, buffer, control);
  const { IPPROTO_IP, IP_PKTINFO, IPPROTO_IPV6, IPV6_PKTINFO } = libc.SOCKET;
  const [level, type] = family === 4 ? [IPPROTO_IP, IP_PKTINFO] : [IPPROTO_IPV6, IPV6_PKTINFO];
  return {
    fd,
    buffer,
    datagram,
    next: () => {
      message.reset(name.length, buffer.length, control.length);
      const size = libc.receiveMessage(fd, message.bytes, libc.SOCKET.MSG_DONTWAIT);
      if (size < 0) return 'empty';
      // Knocks have two of these sizes; packets of fwknop's format, which the filter lets through where they are heard, have any.
      if (size < FWKNOP_PAYLOAD.least || size > FWKNOP_PAYLOAD.most) return 'strange';
      if (controlView.getInt32(CONTROL.level, true) !== level) return 'strange';
      if (controlView.getInt32(CONTROL.type, true) !== type) return 'strange';
      datagram.sourcePort = nameView.getUint16(2);
      datagram.to = size;
      if (family === 4) {
        putMapped(name, 4, datagram.source);
        putMapped(control, CONTROL.data + PKTINFO4.local, datagram.destination);
        datagram.interfaceIndex = controlView.getInt32(CONTROL.data + PKTINFO4.interfaceIndex, true);
      } else {
        datagram.source.set(name.subarray(8, 24));
        datagram.destination.set(control.subarray(CONTROL.data, CONTROL.data + 16));
        datagram.interfaceIndex = controlView.getInt32(CONTROL.data + PKTINFO6.interfaceIndex, true);
      }
      return 'datagram';
    },
  };
}

/** One descriptor that port knocks are read from. */
export interface KnockCapture {
  readonly fd: number;
  /** The knock that came last. */
  readonly knock: PortKnock;
  /** Reads one packet; never waits. */
  readonly next: () => 'empty' | 'strange' | 'knock';
}

/** Reads port knocks from a packet socket of one family. */
export function knockCapture(fd: number, family: 4 | 6): KnockCapture {
  const { buffer, read } = packetReader(fd);
  const knock = newPortKnock(family);
  return {
    fd,
    knock,
    next: () => {
      const size = read();
      if (typeof size !== 'number') return size;
      return decodePortKnock(buffer, size, knock) ? 'knock' : 'strange';
    },
  };
}
