/** What `posternd confirm` can tell of how its person came in: the processes above it, the TCP connections they hold, the terminal. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import process from 'node:process';
import type { Ancestor, AncestryEvidence, TcpConnection, TerminalKind } from './evidence.ts';
import { readTcpTable, type TcpRow } from './tcp-table.ts';

/** More ancestors than this is no shell of a person. */
const MOST_ANCESTORS = 64;
/** More connections than this cannot be sent; what is left out makes the evidence incomplete. */
const MOST_CONNECTIONS = 2_048;

/** What /proc/PID/stat (proc_pid_stat(5)) says, as far as it matters here. */
export interface ProcessStat {
  readonly name: string;
  readonly parent: number;
  /** Device number of the controlling terminal; 0 without one. */
  readonly terminal: number;
}

/** Reads the text of /proc/PID/stat. The name in it is the process's own choice and may hold spaces, brackets and line feeds. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open === -1 || close < open) return undefined;
  const [, parent, , , terminal] = text
    .slice(close + 1)
    .trim()
    .split(/\s+/);
  if (!/^\d+$/.test(parent ?? '') || !/^-?\d+$/.test(terminal ?? '')) return undefined;
  return { name: text.slice(open + 1, close), parent: Number(parent), terminal: Number(terminal) };
}

/**
 * What kind of terminal a device number is (the kernel's devices.txt): 4 and 5:1 virtual and serial consoles, 136 to 143 Unix98
 * pseudo-terminals, and the other serial lines. A device that is not known here counts as a pseudo-terminal, which proves least.
 */
export function terminalKind(device: number): TerminalKind {
  if (device === 0) return 'none';
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  if (major === 4) return 'console';
  if (major === 5) return minor === 1 ? 'console' : 'pts';
  // 166 ACM modems, 188 USB serial, 204 low-density serial (ttyAMA, ttySC …), 229 hypervisor consoles
  return [166, 188, 204, 229].includes(major) ? 'console' : 'pts';
}

function socketsOf(directory: string): Set<number> | undefined {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`${directory}/fd`);
  } catch {
    return undefined;
  }
  const inodes = new Set<number>();
  for (const descriptor of descriptors) {
    try {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${directory}/fd/${descriptor}`)) ?? [];
      if (inode !== undefined) inodes.add(Number(inode));
    } catch {
      // It was closed since.
    }
  }
  return inodes;
}

function namespaceOf(directory: string): string {
  try {
    return readlinkSync(`${directory}/ns/net`);
  } catch {
    return directory;
  }
}

/**
 * Walks from process `pid` up to init. Never throws: what cannot be read makes the evidence incomplete.
 *
 * @param proc - where /proc is; another place only in tests
 */
export function gatherEvidence(pid: number = process.pid, proc = '/proc'): AncestryEvidence {
  const tables = new Map<string, TcpRow[]>();
  const ancestors: Ancestor[] = [];
  let complete = true;
  let terminal: TerminalKind = 'none';
  let room = MOST_CONNECTIONS;
  for (let at = pid; at > 0;) {
    const directory = `${proc}/${at}`;
    let stat: ProcessStat | undefined;
    try {
      stat = parseStat(readFileSync(`${directory}/stat`, 'latin1'));
    } catch {
      // It ended, or is hidden from us.
    }
    if (stat === undefined || ancestors.length >= MOST_ANCESTORS || ancestors.some((ancestor) => ancestor.pid === at)) {
      complete = false;
      break;
    }
    if (at === pid) terminal = terminalKind(stat.terminal);
    const inodes = socketsOf(directory);
    if (inodes === undefined) complete = false;
    let connections: TcpConnection[] = [];
    if (inodes !== undefined && inodes.size > 0) {
      const namespace = namespaceOf(directory);
      const table = tables.get(namespace) ?? readTcpTable(`${directory}/net`);
      tables.set(namespace, table);
      connections = table.filter((row) => inodes.has(row.inode)).map(({ inode: _inode, ...connection }) => connection);
      if (connections.length > room) complete = false;
      connections = connections.slice(0, room);
      room -= connections.length;
    }
    ancestors.push({ pid: at, name: stat.name.slice(0, 15), connections });
    at = stat.parent;
  }
  return { terminal, ancestors, complete };
}
