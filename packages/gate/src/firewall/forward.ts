/**
 * The part of the ruleset that leads granted connections to services behind the gate: pure. What it is for and why it is so is told in
 * `docs/decisions/0009-forwarding.md`. It stands in the table only where something is forwarded: a NAT chain costs every connection.
 */
import { PROTOCOL } from './protocol-number.ts';

/** Names of the maps and sets of one family. */
export interface ForwardNames {
  /** Where timed grants lead: `address . inet_proto . inet_service : address . inet_service`. */
  readonly to: string;
  /** The same for prefixes: each belongs to the set of prefixes with its number. */
  readonly toNet: readonly string[];
  /** Where single connections lead; an element lasts as long as the key's guard. */
  readonly toOnce: string;
  /** Targets that answer through the gate only when they see the gate's own address: `address . inet_proto . inet_service`. */
  readonly masked: string;
}

/** Names for a family that has `nets` sets of prefixes. */
export function forwardNames(family: 4 | 6, nets: number): ForwardNames {
  return {
    to: `to${family}`,
    toNet: Array.from({ length: nets }, (_, index) => `tonet${family}_${index}`),
    toOnce: `toonce${family}`,
    masked: `masked${family}`,
  };
}

/** The sets that tell which first packets a place for a single connection admitted. */
interface Admitted {
  readonly syns: string;
  readonly flows: string;
}

/** Declarations of the maps and sets of one family; `prefixes` is what one set of prefixes holds. */
export function forwardMaps(family: 4 | 6, names: ForwardNames, prefixes: number): string[] {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const leads = `type ${address} . inet_proto . inet_service : ${address} . inet_service`;
  return [
    `map ${names.to} { ${leads}; flags timeout; size 65535; }`,
    ...names.toNet.map((name) => `map ${name} { ${leads}; flags interval,timeout; size ${prefixes}; }`),
    `map ${names.toOnce} { ${leads}; flags timeout; size 65535; }`,
    `set ${names.masked} { type ${address} . inet_proto . inet_service; flags timeout; size 65535; }`,
  ];
}

function leadChain(family: 4 | 6, { to, toNet, toOnce, syns, flows }: ForwardNames & Admitted): string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  const lead = (map: string): string => `dnat ${ip} to ${ip} saddr . meta l4proto . th dport map @${map}`;
  return [
    // The rule must say so itself: nft accepts a port to lead to only for protocols that have ports.
    ...[to, ...toNet].map((map) => `meta l4proto { ${PROTOCOL.tcp}, ${PROTOCOL.udp} } ${lead(map)}`),
    // Only what a place admitted. Whoever is admitted otherwise, and where nothing is protected, does not use a place up.
    `${ip} saddr . tcp sport . tcp dport . tcp sequence @${syns} ${lead(toOnce)}`,
    `meta l4proto ${PROTOCOL.udp} ${ip} saddr . th sport . meta l4proto . th dport @${flows} ${lead(toOnce)}`,
  ];
}

/** A chain as the table's text has it. */
interface Chain {
  readonly name: string;
  readonly type?: 'nat';
  readonly hook?: string;
  readonly rules: readonly string[];
}

/** The chains, in an order in which each is declared before it is named. */
export function forwardChains(names: Readonly<Record<4 | 6, ForwardNames & Admitted>>): Chain[] {
  const masked = (family: 4 | 6, ip: string): string =>
    `${ip} daddr . meta l4proto . th dport @${names[family].masked} masquerade`;
  return [
    { name: 'lead4', rules: leadChain(4, names[4]) },
    { name: 'lead6', rules: leadChain(6, names[6]) },
    {
      name: 'lead',
      type: 'nat',
      // After the door, which sees packets as the client sent them, and before Docker's: of several that translate the first wins.
      hook: 'prerouting priority -105',
      rules: ['fib daddr type local meta nfproto ipv4 goto lead4', 'fib daddr type local meta nfproto ipv6 goto lead6'],
    },
    // In front of the host's own: of several the first wins here, too.
    {
      name: 'mask',
      type: 'nat',
      hook: 'postrouting priority 95',
      rules: [`ct status dnat ${masked(4, 'ip')}`, `ct status dnat ${masked(6, 'ip6')}`],
    },
  ];
}

/** Commands that take all of it out of a table that has it. */
export function withoutForwardText(table: string, names: Readonly<Record<4 | 6, ForwardNames>>): string {
  const chains = ['lead', 'mask', 'lead4', 'lead6'];
  const ofFamily = ({ to, toNet, toOnce, masked }: ForwardNames): string[] => [
    ...[to, ...toNet, toOnce].map((name) => `delete map inet ${table} ${name}`),
    `delete set inet ${table} ${masked}`,
  ];
  return [
    ...chains.map((name) => `flush chain inet ${table} ${name}`),
    ...chains.map((name) => `delete chain inet ${table} ${name}`),
    ...ofFamily(names[4]),
    ...ofFamily(names[6]),
    '',
  ].join('\n');
}
