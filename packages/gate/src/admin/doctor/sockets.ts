/** Sockets that wait for packets from elsewhere, as the kernel tells them in /proc/net (proc_net_tcp.rst in its documentation). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { formatAddress } from '@postern/protocol';
import { parseProcAddress } from '../../system/proc-net.ts';

/** One bound socket. */
export interface ListeningSocket {
  readonly protocol: 'tcp' | 'udp' | 'raw';
  /** Address that it is bound to; `0.0.0.0` or `::` for every one. */
  readonly address: string;
  /** The IP protocol number of a raw socket. */
  readonly port: number;
  /** Names of the programs that hold it; empty for the kernel's own and for processes that cannot be seen. */
  readonly processes: readonly string[];
}

interface Row {
  readonly protocol: ListeningSocket['protocol'];
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

/** LISTEN for TCP; 07, TCP_CLOSE, is an unconnected UDP or raw socket (include/net/tcp_states.h). */
const WAITING: Readonly<Record<ListeningSocket['protocol'], string>> = { tcp: '0A', udp: '07', raw: '07' };

/** The waiting sockets in the text of such a file. Total: lines that are none are passed over. */
export function parseSockets(text: string, protocol: ListeningSocket['protocol']): Row[] {
  return text.split('\n').flatMap((line) => {
    const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [, hex = '', port = ''] = /^([0-9A-F]+):([0-9A-F]{4})$/.exec(local) ?? [];
    const address = parseProcAddress(hex);
    const connected = !/^0+:0000$/.test(remote);
    if (address === undefined || state !== WAITING[protocol] || connected) return [];
    return [{ protocol, address: formatAddress(address), port: Number.parseInt(port, 16), inode }];
  });
}

/** Name of a process's program: what it calls itself (comm) is cut short, and some call themselves after a thread. */
function programOf(pid: string): string {
  return basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ''));
}

/** Program names by the inode of the sockets that they hold, for these inodes. Processes that end meanwhile are passed over. */
function holders(inodes: ReadonlySet<string>): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        if (inode === undefined || !inodes.has(inode)) continue;
        const names = found.get(inode) ?? new Set();
        found.set(inode, names.add(programOf(pid)));
      }
    } catch {
      // it ended, or it is not ours to see
    }
  }
  return found;
}

/** The waiting sockets of this process's network namespace; several of one name and place are one. */
export function readSockets(): ListeningSocket[] {
  const rows = (['tcp', 'udp', 'raw'] as const).flatMap((protocol) =>
    ['', '6'].flatMap((six) => {
      try {
        return parseSockets(readFileSync(`/proc/self/net/${protocol}${six}`, 'latin1'), protocol);
      } catch {
        return [];
      }
    }),
  );
  const names = holders(new Set(rows.map(({ inode }) => inode)));
  const merged = new Map<string, ListeningSocket>();
  for (const { inode, ...row } of rows) {
    const key = `${row.protocol} ${row.address} ${row.port}`;
    const processes = new Set([...(merged.get(key)?.processes ?? []), ...(names.get(inode) ?? [])]);
    merged.set(key, { ...row, processes: [...processes].sort() });
  }
  return [...merged.values()].toSorted((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
}

/** Whether only this host reaches an address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Families of strangers' packets that reach a socket: `::` hears IPv4 too, unless the same port has a socket for IPv4 beside it. */
export function familiesOf(
  socket: ListeningSocket,
  all: readonly ListeningSocket[],
  onlyV6: boolean,
): readonly (4 | 6)[] {
  if (!socket.address.includes(':')) return [4];
  const beside = all.some(
    (it) => it.address === '0.0.0.0' && it.port === socket.port && it.protocol === socket.protocol,
  );
  return socket.address === '::' && !beside && !onlyV6 && socket.protocol !== 'raw' ? [4, 6] : [6];
}
