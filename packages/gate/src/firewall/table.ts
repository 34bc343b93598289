/**
 * The ruleset of `table inet postern` as nft text: pure. What each part is for and why it is so is told in
 * `docs/decisions/0003-nfnetlink-hot-path.md` and `0004-single-use-places.md`. Only what nft 1.0.6 and kernel 6.1 know is used.
 */
import { forwardChains, forwardMaps, forwardNames, type ForwardNames } from './forward.ts';
import { ALLOWED, DARK_GATE, DARK_SET, DARK_SILENCE, darkChains } from './dark.ts';
import { ONCE_SLOTS, type Plan } from './port.ts';
import { PREFIXES_PER_PLACE } from './prefix-place.ts';
import { PROTOCOL } from './protocol-number.ts';

/** Name of the table, in family inet. */
export const TABLE = 'postern';

/** The table's comment; a table with another one was made by another version and is made anew. */
export const LAYOUT = 'Postern, layout 1';

/** Name of the counter of packets to the knock port. */
export const KNOCKS = 'knocks';

/** Set of protected endpoints, `inet_proto . inet_service`, for both families. */
export const PROTECTED = 'protected';

/** Address family of a set. */
export type Family = 4 | 6;

/** Names of the sets of one family. */
export interface SetNames extends ForwardNames {
  /** Sources that may start connections: `address . inet_proto . inet_service`. */
  readonly open: string;
  /** Prefixes that may: the same with intervals; two that overlap need different sets. */
  readonly net: readonly string[];
  /** Sources with at least one armed place, so that a stranger's SYN is spared the look-ups in `once`. */
  readonly armed: string;
  /** The places for a single connection each. */
  readonly once: readonly string[];
  /** First packets of admitted single connections, for their retransmissions. */
  readonly syns: string;
  /** Live connections that conntrack may not know: `address . inet_service . inet_proto . inet_service`. */
  readonly flows: string;
}

/** How many prefixes that contain one another can be open at once for one endpoint. */
export const NET_SETS = 4;

function namesOf(family: Family): SetNames {
  const numbered = (count: number, digits: number, stem: string): string[] =>
    Array.from({ length: count }, (_, index) => `${stem}${family}_${String(index).padStart(digits, '0')}`);
  return {
    open: `open${family}`,
    net: numbered(NET_SETS, 1, 'net'),
    armed: `armed${family}`,
    once: numbered(ONCE_SLOTS, 2, 'once'),
    syns: `syns${family}`,
    flows: `flows${family}`,
    ...forwardNames(family, NET_SETS),
  };
}

/** Names of all sets that hold addresses, by family. */
export const SETS: Readonly<Record<Family, SetNames>> = { 4: namesOf(4), 6: namesOf(6) };

const NOT_SYN = 'tcp flags & (fin|syn|rst|ack) != syn';
const IS_SYN = 'tcp flags & (fin|syn|rst|ack) == syn';

interface Chain {
  readonly name: string;
  /** Hook and priority of a chain where packets enter. */
  readonly hook?: string;
  /** Of a chain with a hook; `filter` when it is left out. */
  readonly type?: 'nat';
  readonly rules: readonly string[];
}

function setsOf(family: Family): string[] {
  const names = SETS[family];
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const saddr = family === 4 ? 'ip saddr' : 'ip6 saddr';
  const door = `type ${address} . inet_proto . inet_service`;
  return [
    `set ${names.open} { ${door}; flags timeout; size 65535; }`,
    ...names.net.map((name) => `set ${name} { ${door}; flags interval,timeout; size ${PREFIXES_PER_PLACE}; }`),
    `set ${names.armed} { ${door}; flags timeout; size 65535; }`,
    // Every element gets a limit of its own: whatever happens at once, it matches one packet a day, and it never lives longer.
    ...names.once.map(
      (name) => `set ${name} { ${door}; flags dynamic,timeout; size 65535; limit rate 1/day burst 1 packets; }`,
    ),
    // Linux sends its last SYN 63 s after the first.
    `set ${names.syns} { typeof ${saddr} . tcp sport . tcp dport . tcp sequence; flags dynamic,timeout; timeout 70s; size 65535; }`,
    `set ${names.flows} { type ${address} . inet_service . inet_proto . inet_service; flags dynamic,timeout; timeout 30s; size 65535; }`,
  ];
}

function chainsOf(family: Family): Chain[] {
  const names = SETS[family];
  const saddr = family === 4 ? 'ip saddr' : 'ip6 saddr';
  const door = `${saddr} . meta l4proto . th dport`;
  const flow = `${saddr} . th sport . meta l4proto . th dport`;
  const syn = `${saddr} . tcp sport . tcp dport . tcp sequence`;
  return [
    {
      name: `door${family}`,
      rules: [
        `${IS_SYN} goto new${family}`,
        `meta l4proto ${PROTOCOL.tcp} ${flow} @${names.flows} update @${names.flows} { ${flow} timeout 1h } accept`,
        `meta l4proto ${PROTOCOL.tcp} drop`,
        // Conntrack calls a UDP flow established at its first answer only; until then the flow keeps itself alive, as conntrack does.
        `${flow} @${names.flows} update @${names.flows} { ${flow} timeout 30s } accept`,
        `goto new${family}`,
      ],
    },
    {
      name: `new${family}`,
      rules: [
        `${door} @${names.open} accept`,
        ...names.net.map((name) => `${door} @${name} accept`),
        `${syn} @${names.syns} accept`,
        `${door} @${names.armed} goto once${family}`,
        'drop',
      ],
    },
    {
      name: `once${family}`,
      // The element's own limit breaks the rule for all but one of the packets that race here on several processors.
      rules: [...names.once.map((name) => `${door} @${name} delete @${name} { ${door} } goto admit${family}`), 'drop'],
    },
    {
      name: `admit${family}`,
      // A full set ends its rule; the place is used up by now, so the packet passes all the same.
      rules: [`add @${names.syns} { ${syn} } accept`, `add @${names.flows} { ${flow} } accept`, 'accept'],
    },
  ];
}

/** A dead listener's ICMP error tells strangers where knocks go. The quoted header has options or not: with any, all UDP is meant. */
function silence(port: number): string[] {
  const error4 = 'icmp type destination-unreachable icmp code port-unreachable';
  const error6 = 'icmpv6 type destination-unreachable icmpv6 code port-unreachable';
  return [
    `${error4} @th,64,8 0x45 @th,136,8 17 @th,240,16 ${port} drop`,
    `${error4} @th,64,8 != 0x45 @th,136,8 17 drop`,
    `${error6} @th,112,8 17 @th,400,16 ${port} drop`,
    `${error6} @th,112,8 { 0, 43, 44, 51, 60 } drop`,
  ];
}

function chains({ knockPort, morePorts = [], dropKnocks, forwards = false }: Plan): Chain[] {
  const ports = morePorts.length === 0 ? String(knockPort) : `{ ${[knockPort, ...morePorts].join(', ')} }`;
  return [
    ...chainsOf(4),
    ...chainsOf(6),
    {
      name: 'door',
      rules: [
        'iifname "lo" accept',
        // A SYN is never part of what is established, but conntrack takes one for it after the other side's reset.
        `${NOT_SYN} ct state established accept`,
        `meta l4proto != ${PROTOCOL.tcp} ct state established accept`,
        // Not `!= local`: broadcast, multicast and anycast reach this host's services too.
        'fib daddr type unicast accept',
        'meta nfproto ipv4 goto door4',
        'meta nfproto ipv6 goto door6',
        'drop',
      ],
    },
    {
      name: 'knock',
      hook: 'prerouting priority -300',
      rules: [`udp dport ${ports} fib daddr type != unicast counter name "${KNOCKS}"${dropKnocks ? ' drop' : ''}`],
    },
    ...darkChains(NOT_SYN, dropKnocks ? undefined : knockPort),
    {
      name: 'silence',
      hook: 'output priority 0',
      rules: [...(dropKnocks ? [] : silence(knockPort)), DARK_SILENCE],
    },
    {
      name: 'gate',
      hook: 'prerouting priority -110',
      rules: [`meta l4proto . th dport @${PROTECTED} goto door`, DARK_GATE],
    },
    ...(forwards ? forwardChains(SETS) : []),
  ];
}

/**
 * Commands that make or repair the table, for one transaction. Sets, their elements and the counter stay as they are when they
 * are there; chains get exactly the rules of `plan`. Throws RangeError for a port outside [1, 65535].
 */
export function installText(plan: Plan): string {
  for (const port of [plan.knockPort, ...(plan.morePorts ?? [])]) {
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      throw new RangeError(`knock port must be 1 to 65535, not ${port}`);
  }
  const all = chains(plan);
  const declare = all.map(({ name, hook, type = 'filter' }) =>
    hook === undefined ? `chain ${name} { }` : `chain ${name} { type ${type} hook ${hook}; policy accept; }`,
  );
  const maps = (family: Family): string[] =>
    plan.forwards === true ? forwardMaps(family, SETS[family], PREFIXES_PER_PLACE) : [];
  return [
    `table inet ${TABLE} {`,
    `  comment "${LAYOUT}"`,
    `  counter ${KNOCKS} { }`,
    `  set ${PROTECTED} { type inet_proto . inet_service; flags timeout; size 65535; }`,
    `  ${DARK_SET}`,
    ...[...setsOf(4), ...setsOf(6), ...maps(4), ...maps(6), ...declare].map((line) => `  ${line}`),
    '}',
    ...Object.values(ALLOWED).map((name) => `add chain inet ${TABLE} ${name}`),
    ...all.map(({ name }) => `flush chain inet ${TABLE} ${name}`),
    `table inet ${TABLE} {`,
    ...all.flatMap(({ name, rules }) => [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }']),
    '}',
    '',
  ].join('\n');
}

/** Commands that take the table away, for one transaction; no error when there is none. */
export function removeText(): string {
  return `table inet ${TABLE} { }\ndelete table inet ${TABLE}\n`;
}
