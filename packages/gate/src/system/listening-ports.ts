/** Ports at which this host has a real service, as the kernel tells them in /proc/net (proc_net_tcp.rst in the kernel's documentation). */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { unite, type PortRange } from './port-ranges.ts';

/** Ports by protocol, ascending. */
export type Ports = Readonly<Record<'tcp' | 'udp', readonly PortRange[]>>;

const LISTEN = '0A';
const LINE = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /;
/** 127.0.0.0/8 and ::1 as the kernel prints them on a little-endian machine: nobody outside reaches what listens there. */
const LOOPBACK = /^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/;

/** Adds the port of one line; false when the lines that matter are over. */
function take(line: string, ports: Set<number>, listenOnly: boolean): boolean {
  const [, address = '', port = '', state = ''] = LINE.exec(line) ?? [];
  if (port === '') return true;
  // The kernel lists what listens first, then connections, of which there may be a million.
  if (listenOnly && state !== LISTEN) return false;
  if (!LOOPBACK.test(address)) ports.add(Number.parseInt(port, 16));
  return true;
}

/**
 * The ports in the text of /proc/net/tcp (with `listenOnly`) or /proc/net/udp (without: a port that is bound may be answered at) that are not bound
 * to loopback alone. Total: lines that are none are passed over.
 */
export function parsePorts(text: string, listenOnly: boolean): Set<number> {
  const ports = new Set<number>();
  text.split('\n').every((line) => take(line, ports, listenOnly));
  return ports;
}

function readPorts(file: string, listenOnly: boolean): Set<number> {
  const ports = new Set<number>();
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    // No IPv6.
    return ports;
  }
  try {
    const buffer = Buffer.alloc(1 << 16);
    let rest = '';
    for (;;) {
      const size = readSync(fd, buffer);
      const lines = (rest + buffer.toString('latin1', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      if (size === 0 || !lines.every((line) => take(line, ports, listenOnly))) return ports;
    }
  } finally {
    closeSync(fd);
  }
}

/** The ports of this process's network namespace at which something listens that others can reach, over either family. */
export function readListeningPorts(): Ports {
  const read = (protocol: 'tcp' | 'udp'): PortRange[] =>
    unite(
      [protocol, `${protocol}6`]
        .flatMap((name) => [...readPorts(`/proc/self/net/${name}`, protocol === 'tcp')])
        .map((port) => ({ first: port, last: port })),
    );
  return { tcp: read('tcp'), udp: read('udp') };
}

/** Ports from which this host's own connections go out, and to which their answers come. */
export function readEphemeralPorts(): PortRange {
  const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
    .trim()
    .split(/\s+/)
    .map(Number);
  return { first: first ?? 32_768, last: last ?? 60_999 };
}
