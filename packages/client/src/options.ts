/** Options that several commands share, and how their values are read. */
import type { Option, Parsed } from '@postern/terminal';

/** Where the client's files are; every command takes it. */
export const CONFIG: Option = {
  name: 'config',
  value: 'DIR',
  help: 'directory of keys and state instead of the usual one',
};
/** Result as one JSON object. */
export const JSON_OUTPUT: Option = { name: 'json', help: 'print one JSON object instead of text' };
/** Silence on success. */
export const QUIET: Option = { name: 'quiet', short: 'q', help: 'print nothing unless something fails' };
/** Packets and receipts as they come and go. */
export const VERBOSE: Option = {
  name: 'verbose',
  short: 'v',
  help: 'show every packet and receipt with its time (no key, nothing that could be replayed)',
};
/** IPv4 only. */
export const IPV4: Option = { name: 'ipv4', short: '4', help: 'use IPv4 only' };
/** IPv6 only. */
export const IPV6: Option = { name: 'ipv6', short: '6', help: 'use IPv6 only' };
/** How long to wait without an answer. */
export const TIMEOUT: Option = {
  name: 'timeout',
  value: 'SECONDS',
  help: 'how long to wait without any answer; 12 by default',
};
/** For which address to open. */
export const SOURCE: Option = {
  name: 'source',
  value: 'WHERE',
  help: 'for whom to open: `auto` (default) states the address that the gate sees this device at, asking first where it is not known; `observed` leaves it to the gate, where the service allows that; or an ADDRESS or ADDRESS/PREFIX around this device',
};
/** How long to open. */
export const SECONDS: Option = {
  name: 'seconds',
  value: 'N',
  help: 'how long new connections may start; by default as long as the service says, and never longer than it allows',
};
/** One connection. */
export const SINGLE_USE: Option = { name: 'single-use', help: 'open for one connection only' };

/** Our own options of `postern ssh`; all others are ssh's. */
export const SSH_OPTIONS: readonly Option[] = [
  {
    name: 'service',
    value: 'SERVICE',
    help: 'what to open; by default `ssh`, or the first service that the invite named',
  },
  ...[SOURCE, SECONDS, SINGLE_USE, TIMEOUT],
  ...[
    { name: 'quiet', help: 'say nothing unless something fails' },
    { name: 'verbose', help: 'show every packet and receipt with its time' },
  ],
  CONFIG,
];

/** What a command reads: where it came from does not matter. */
export type Typed = Pick<Parsed, 'flags' | 'values'>;
