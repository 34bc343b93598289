/** What takes part: a way to hide a port, with its client. */
import type { Arena } from './arena.ts';
import type { JunkKind } from './junk.ts';

/** One of them, running in an arena; both end with it. */
export interface Contestant extends AsyncDisposable {
  /** Program and version, for people. */
  readonly version: string;
  readonly arena: Arena;
  /** The junk that looks most like what it listens for. */
  readonly junk: JunkKind;
  /** Calls its client once, in the world, for an address of IPv4 or IPv6. Whether the client thinks that all went well. */
  readonly knock: (from: string) => Promise<boolean>;
}

/** Makes the service of an arena unreachable by iptables, as one does who lets a program open it; connections that are open stay so. */
export function hideByIptables({ gateSide }: Arena, port: number): void {
  for (const program of ['iptables', 'ip6tables']) {
    gateSide.run(program, ['-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT']);
    gateSide.run(program, ['-A', 'INPUT', '-p', 'tcp', '--dport', String(port), '-j', 'DROP']);
  }
}
