/** One TCP connection as `/proc/net/tcp` shows it; addresses as text, IPv4-mapped ones as IPv4. */
export interface TcpConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** One process on the way from `posternd confirm` up to init, with the established TCP connections that it holds. */
export interface Ancestor {
  readonly pid: number;
  /** The kernel's name of the process, at most 15 bytes; chosen by the process, so never trusted. */
  readonly name: string;
  readonly connections: readonly TcpConnection[];
}

/**
 * Where the person who confirms sits: `console` is a local or serial terminal, `pts` a pseudo-terminal (ssh, tmux, screen), `none`
 * no controlling terminal at all (a script, cron).
 */
export type TerminalKind = 'console' | 'pts' | 'none';

/**
 * What `posternd confirm` found out about itself, for the daemon to judge by `confirm-rule.ts`. It comes from root and guards against
 * a mistake, not against malice: root can open every port anyway.
 */
export interface AncestryEvidence {
  readonly terminal: TerminalKind;
  /** From the nearest process (the command itself) to the farthest. */
  readonly ancestors: readonly Ancestor[];
  /** False when a process on the way could not be read, so that a connection may have been missed. */
  readonly complete: boolean;
}
