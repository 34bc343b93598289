/** TCP connections as the kernel tells them in /proc/net/tcp and /proc/net/tcp6 (proc_net_tcp.rst in the kernel's documentation). */
import { readFileSync } from 'node:fs';
import { formatAddress } from '@postern/protocol';
import { parseProcAddress } from '../system/proc-net.ts';
import type { TcpConnection } from './evidence.ts';

/** A connection with the inode of its socket; 0 when no process holds it any more. */
export interface TcpRow extends TcpConnection {
  readonly inode: number;
}

/**
 * ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK and CLOSING (include/net/tcp_states.h): both sides have answered, and
 * something may still be said. Not LISTEN, and not SYN_RECV: who is only knocking has not come in.
 */
const LIVE: ReadonlySet<string> = new Set(['01', '04', '05', '08', '09', '0B']);

function parseEnd(text: string): { address: string; port: number } | undefined {
  const [, hex = '', port = ''] = /^([0-9A-F]+):([0-9A-F]{4})$/.exec(text) ?? [];
  const address = parseProcAddress(hex);
  return address === undefined ? undefined : { address: formatAddress(address), port: Number.parseInt(port, 16) };
}

/** The live connections in the text of such a file. Total: lines that are none are passed over. */
export function parseTcpTable(text: string): TcpRow[] {
  const rows: TcpRow[] = [];
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (!LIVE.has(fields[3] ?? '')) continue;
    const local = parseEnd(fields[1] ?? '');
    const remote = parseEnd(fields[2] ?? '');
    const inode = Number(fields[9]);
    if (local === undefined || remote === undefined || !Number.isSafeInteger(inode)) continue;
    rows.push({
      localAddress: local.address,
      localPort: local.port,
      remoteAddress: remote.address,
      remotePort: remote.port,
      inode,
    });
  }
  return rows;
}

/** The live connections in the network namespace of which `directory` is the `net` directory. A file that is missing (no IPv6) holds none. */
export function readTcpTable(directory: string): TcpRow[] {
  return ['tcp', 'tcp6'].flatMap((name) => {
    try {
      return parseTcpTable(readFileSync(`${directory}/${name}`, 'latin1'));
    } catch {
      return [];
    }
  });
}

/** The live connections to these local ports in this process's network namespace, as `confirm-rule.ts` compares them. */
export function readConnections(ports: readonly number[]): TcpConnection[] {
  return readTcpTable('/proc/self/net')
    .filter((row) => ports.includes(row.localPort))
    .map(({ inode: _inode, ...connection }) => connection);
}
