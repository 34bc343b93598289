/**
 * Whole-host mode as nft text: pure. While the set `dark` holds the packet's family, the chain `dark` judges every packet that arrives:
 * what the host itself began, what a network cannot do without, and what the chain `allowed` lets in pass; all else needs a grant or is
 * dropped. What each rule is for is told in `docs/decisions/0008-dark.md`. Only what nft 1.0.6 and kernel 6.1 know is used.
 */
import type { Exceptions } from './port.ts';
import { PROTOCOL } from './protocol-number.ts';

const ICMP = `{ ${PROTOCOL.icmp}, ${PROTOCOL.icmpv6} }`;

/** The set that the darkness hangs on; its elements are the two families, with the time that a trial has left. */
export const DARK = 'dark';

/** Chains that hold what is allowed, by direction. They are filled when a host goes dark and left alone by every later installation. */
export const ALLOWED = { in: 'allowed_in', out: 'allowed_out' } as const;

/** Rule for the chain where packets enter, behind those that close single ports. */
export const DARK_GATE: string = `meta nfproto @${DARK} goto ${DARK}`;

/** Rule for the chain where packets of this host leave. */
export const DARK_SILENCE: string = `meta l4proto ${ICMP} oifname != "lo" meta nfproto @${DARK} goto hush`;

/** Lines that declare what installations leave as it is. */
export const DARK_SET: string = `set ${DARK} { type nf_proto; flags timeout; size 16; }`;

/** What reaches this host however dark it is: without it the host loses its addresses, its routes or its large packets. */
const NETWORK = [
  'icmp type destination-unreachable icmp code frag-needed accept',
  'icmpv6 type packet-too-big accept',
  // Hop limit 255: from this link, not through a router.
  'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } ip6 hoplimit 255 accept',
  'icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } ip6 saddr { ::, fe80::/10 } accept',
  'ip protocol igmp ip daddr 224.0.0.0/4 accept',
  'meta nfproto ipv4 udp sport 67 udp dport 68 accept',
  'ip6 daddr fe80::/10 udp dport 546 accept',
];

/** The chains of whole-host mode, in the order in which they must be made. `knockPort` is undefined where knocks are dropped before. */
export function darkChains(notSyn: string, knockPort: number | undefined): { name: string; rules: string[] }[] {
  return [
    {
      name: 'hush',
      // What a host's own kernel says about packets that no rule lets in: it looks into headers before any rule, and gives up waiting for
      // fragments by itself; and a packet for a DHCP client may find none. A router's errors about what it forwards are not here.
      rules: [
        `jump ${ALLOWED.out}`,
        'icmp type destination-unreachable icmp code { prot-unreachable, port-unreachable } drop',
        'icmp type time-exceeded icmp code 1 drop',
        'icmp type parameter-problem drop',
        'icmpv6 type destination-unreachable icmpv6 code port-unreachable drop',
        'icmpv6 type time-exceeded icmpv6 code 1 drop',
        'icmpv6 type parameter-problem drop',
      ],
    },
    {
      name: DARK,
      rules: [
        'iifname "lo" accept',
        `${notSyn} ct state established accept`,
        `meta l4proto != { ${PROTOCOL.tcp}, ${PROTOCOL.icmp}, ${PROTOCOL.icmpv6} } ct state established accept`,
        // Only answers: whoever pings without a pause since before would be answered for ever.
        `meta l4proto ${ICMP} ct direction reply ct state established accept`,
        `meta l4proto ${ICMP} ct state related accept`,
        `jump ${ALLOWED.in}`,
        // For others: a gate may be a router. Broadcast, multicast and anycast reach this host and are none.
        'fib daddr type unicast accept',
        ...(knockPort === undefined ? [] : [`udp dport ${knockPort} accept`]),
        ...NETWORK,
        `meta l4proto != { ${PROTOCOL.tcp}, ${PROTOCOL.udp} } drop`,
        'meta nfproto ipv4 goto door4',
        'meta nfproto ipv6 goto door6',
        'drop',
      ],
    },
  ];
}

/** Throws RangeError for exceptions that no backend could make rules of. */
export function checkExceptions({ endpoints, protocols, interfaces }: Exceptions): void {
  for (const { port } of endpoints) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new RangeError(`port must be 1 to 65535, not ${port}`);
  }
  for (const number of protocols) {
    if (!Number.isInteger(number) || number < 0 || number > 255) throw new RangeError(`no IP protocol: ${number}`);
  }
  // 15 characters and no quote: it goes into nft text.
  for (const name of interfaces) {
    if (!/^[A-Za-z0-9_.:@-]{1,15}$|^[A-Za-z0-9_.:@-]{1,14}\*$/.test(name))
      throw new RangeError('no name of an interface');
  }
}

/**
 * Commands that make a host dark for `milliseconds`, or for good, for one transaction; what was allowed before is not any more.
 * Throws RangeError as {@link checkExceptions}.
 */
export function darkText(table: string, exceptions: Exceptions, milliseconds: number | undefined): string {
  checkExceptions(exceptions);
  const { endpoints, protocols, ping, interfaces } = exceptions;
  const timeout = milliseconds === undefined ? '' : ` timeout ${milliseconds}ms`;
  const ports = endpoints.map(({ protocol, port }) => `${PROTOCOL[protocol]} . ${port}`).join(', ');
  const rules = [
    ...interfaces.map((name) => [ALLOWED.in, `iifname "${name}" accept`]),
    ...interfaces.map((name) => [ALLOWED.out, `oifname "${name}" accept`]),
    ...(ports === '' ? [] : [[ALLOWED.in, `meta l4proto . th dport { ${ports} } accept`]]),
    ...(protocols.length === 0 ? [] : [[ALLOWED.in, `meta l4proto { ${protocols.join(', ')} } accept`]]),
    ...(ping ? ['icmp', 'icmpv6'].map((family) => [ALLOWED.in, `${family} type echo-request accept`]) : []),
  ];
  return [
    clearText(table),
    ...rules.map(([chain = '', rule = '']) => `add rule inet ${table} ${chain} ${rule}\n`),
    `add element inet ${table} ${DARK} { ipv4${timeout}, ipv6${timeout} }\n`,
  ].join('');
}

/** Commands that end the darkness, for one transaction. An error where there is no table. */
export function clearText(table: string): string {
  return [
    `flush set inet ${table} ${DARK}\n`,
    `flush chain inet ${table} ${ALLOWED.in}\n`,
    `flush chain inet ${table} ${ALLOWED.out}\n`,
  ].join('');
}
