/** Rulesets as hosts have them, what becomes of a stranger's new connection to tcp/22 in them, and who owns the rule that stops it. */
import type { Owner } from './model.ts';

/** One ruleset. */
export interface HostRules {
  readonly name: string;
  /** Program that loads it, and its text; several are loaded in order. */
  readonly load: readonly (readonly [
    'nft' | 'iptables' | 'ip6tables' | 'iptables-legacy' | 'ip6tables-legacy',
    string,
  ])[];
  readonly verdict: 'accept' | 'drop' | 'reject' | 'unknown';
  readonly owner?: Owner;
  /** What the kernel does where the verdict is unknown. */
  readonly lets?: boolean;
  readonly families?: readonly (4 | 6)[];
}

const inet = (rules: string, policy = 'drop', more = ''): HostRules['load'] => [
  [
    'nft',
    `table inet filter { ${more}\n chain input { type filter hook input priority filter; policy ${policy};\n${rules}\n} }`,
  ],
];

const NEIGHBOURS = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept';

function tables(input: string, policy = 'DROP', more = ''): HostRules['load'] {
  const text = (six: boolean): string =>
    `*filter\n:INPUT ${policy} [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n${more}${six ? '-A INPUT -p ipv6-icmp -j ACCEPT\n' : ''}${input}\nCOMMIT\n`;
  return [
    ['iptables', text(false)],
    ['ip6tables', text(true)],
  ];
}

/** What ufw 0.36 writes in its own form for "deny incoming, allow outgoing", shortened to what an IPv4 or IPv6 packet meets. */
function ufw(user: string): HostRules['load'] {
  const text = (p: 'ufw' | 'ufw6', icmp: string): string => `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:${p}-after-input - [0:0]
:${p}-after-logging-input - [0:0]
:${p}-before-input - [0:0]
:${p}-before-logging-input - [0:0]
:${p}-logging-deny - [0:0]
:${p}-not-local - [0:0]
:${p}-reject-input - [0:0]
:${p}-skip-to-policy-input - [0:0]
:${p}-track-input - [0:0]
:${p}-user-input - [0:0]
:${p}-user-limit - [0:0]
:${p}-user-limit-accept - [0:0]
-A INPUT -j ${p}-before-logging-input
-A INPUT -j ${p}-before-input
-A INPUT -j ${p}-after-input
-A INPUT -j ${p}-after-logging-input
-A INPUT -j ${p}-reject-input
-A INPUT -j ${p}-track-input
-A ${p}-after-input -p udp -m udp --dport 137 -j ${p}-skip-to-policy-input
-A ${p}-after-input -p tcp -m tcp --dport 445 -j ${p}-skip-to-policy-input
-A ${p}-before-input -i lo -j ACCEPT
-A ${p}-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ${p}-before-input -m conntrack --ctstate INVALID -j ${p}-logging-deny
-A ${p}-before-input -m conntrack --ctstate INVALID -j DROP
-A ${p}-before-input ${icmp} -j ACCEPT
-A ${p}-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ${p}-before-input -j ${p}-not-local
-A ${p}-before-input -j ${p}-user-input
-A ${p}-logging-deny -m conntrack --ctstate INVALID -m limit --limit 3/min --limit-burst 10 -j RETURN
-A ${p}-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ${p}-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ${p}-not-local -m limit --limit 3/min --limit-burst 10 -j ${p}-logging-deny
-A ${p}-not-local -j DROP
-A ${p}-skip-to-policy-input -j DROP
${user.replaceAll('ufw', p)}-A ${p}-user-limit -j REJECT
-A ${p}-user-limit-accept -j ACCEPT
COMMIT
`;
  return [
    ['iptables', text('ufw', '-p icmp -m icmp --icmp-type 8')],
    ['ip6tables', text('ufw6', '-p ipv6-icmp').replace(/^-A ufw6-not-local.*LOCAL.*$/m, '-A ufw6-not-local -j RETURN')],
  ];
}

/** What firewalld 1.3 loads for its zone "public", shortened in the same way. */
const firewalld = (allowed: string): HostRules['load'] => [
  [
    'nft',
    `table inet firewalld {
  chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; jump mangle_PREROUTING_ZONES; }
  chain mangle_PREROUTING_ZONES { goto mangle_PRE_public; }
  chain mangle_PRE_public { }
  chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept;
    icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
    meta nfproto ipv6 fib saddr . mark . iif oif missing drop
  }
  chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_INPUT_ZONES { goto filter_IN_public; }
  chain filter_IN_public { jump filter_IN_public_pre; jump filter_IN_public_allow; jump filter_IN_public_post; meta l4proto { icmp, ipv6-icmp } accept; reject with icmpx admin-prohibited; }
  chain filter_IN_public_pre { jump filter_INPUT_POLICIES_pre; }
  chain filter_IN_public_post { }
  chain filter_INPUT_POLICIES_pre { jump filter_IN_policy_allow-host-ipv6; }
  chain filter_IN_policy_allow-host-ipv6 { icmpv6 type { nd-neighbor-advert, nd-neighbor-solicit, nd-router-advert, nd-redirect } accept; }
  chain filter_IN_public_allow { ip6 daddr fe80::/64 udp dport 546 accept; ${allowed} }
}`,
  ],
];

/** The rulesets. */
export const HOST_RULES: readonly HostRules[] = [
  { name: 'nothing', load: [], verdict: 'accept' },
  {
    name: 'nft with policy drop',
    load: inet(`ct state established,related accept\niifname "lo" accept\n${NEIGHBOURS}`),
    ...{ verdict: 'drop', owner: 'nft' },
  },
  {
    name: 'nft with policy drop, and ssh allowed by a set and a range',
    load: inet(`ct state vmap { established : accept, invalid : drop }\n${NEIGHBOURS}\ntcp dport { 20-25, 80 } accept`),
    verdict: 'accept',
  },
  {
    name: 'nft with ssh for friends only',
    load: inet(
      `ct state established accept\n${NEIGHBOURS}\nip saddr @friends tcp dport 22 accept`,
      'drop',
      'set friends { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }',
    ),
    ...{ verdict: 'drop', owner: 'nft' },
  },
  {
    name: 'nft that shuts out a list of addresses',
    load: inet(
      `ip saddr @bad drop\nip6 saddr 2001:db8:bad::/48 drop\ntcp dport 25 drop`,
      'accept',
      'set bad { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } }',
    ),
    verdict: 'accept',
  },
  {
    name: 'nft that rejects at the end of a verdict map',
    load: inet(
      `tcp dport vmap { 80 : accept, 22 : goto ssh }`,
      'accept',
      'chain ssh { ct state new log prefix "ssh " counter; meta l4proto tcp reject with tcp reset; }',
    ),
    ...{ verdict: 'reject', owner: 'nft' },
  },
  {
    name: 'nft with a limit that one packet does not reach',
    load: inet(
      `tcp dport 22 ct state new limit rate over 10/second burst 20 packets drop\ntcp dport 22 limit rate 100/second accept\ntcp dport 22 drop`,
      'accept',
    ),
    verdict: 'accept',
  },
  {
    name: 'nft that drops every SYN of an early hook',
    load: [
      [
        'nft',
        'table inet early { chain pre { type filter hook prerouting priority raw; fib daddr type local tcp flags & (fin|syn|rst|ack) == syn tcp dport != 443 drop; } }',
      ],
    ],
    ...{ verdict: 'drop', owner: 'nft' },
  },
  {
    name: 'nft with a rule that is not understood, behind which all is dropped',
    load: inet(`ct state established accept\n${NEIGHBOURS}\ntcp dport 22 meta hour "00:00"-"23:59" accept`),
    ...{ verdict: 'unknown', lets: true },
  },
  {
    name: 'nft with a rule that is not understood for other ports',
    load: inet(`tcp dport 25 osf name "Linux" drop\ntcp dport 22 accept`, 'accept'),
    verdict: 'accept',
  },
  {
    name: 'nft with families apart: IPv4 dropped, IPv6 open',
    load: [
      [
        'nft',
        'table ip filter { chain input { type filter hook input priority 0; policy drop; ct state established accept; } }',
      ],
    ],
    ...{ verdict: 'drop', owner: 'nft', families: [4] },
  },
  {
    name: 'nft that translates ssh to another port of this host',
    load: [
      [
        'nft',
        'table inet nat { chain pre { type nat hook prerouting priority dstnat; tcp dport 22 redirect to :2222; } }\ntable inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport 2222 drop; } }',
      ],
    ],
    ...{ verdict: 'drop', owner: 'nft' },
  },
  {
    name: 'iptables with policy DROP',
    load: tables(
      '-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT',
    ),
    ...{ verdict: 'drop', owner: 'iptables' },
  },
  {
    name: 'iptables with policy DROP, and ssh allowed',
    load: tables(
      '-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m comment --comment "ssh, \\"mine\\"" -j ACCEPT\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT',
    ),
    verdict: 'accept',
  },
  {
    name: 'iptables with ssh for who knocked by the module recent',
    load: tables(
      '-A INPUT -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 30 --name knocked --rsource -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 7000 -m recent --set --name knocked --rsource -j DROP',
    ),
    ...{ verdict: 'drop', owner: 'iptables' },
  },
  {
    name: 'iptables-legacy that rejects at the end',
    load: [
      [
        'iptables-legacy',
        '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n',
      ],
      [
        'ip6tables-legacy',
        '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT ! -p ipv6-icmp -j REJECT\nCOMMIT\n',
      ],
    ],
    ...{ verdict: 'reject', owner: 'iptables-legacy' },
  },
  { name: 'ufw that denies incoming', load: ufw(''), verdict: 'drop', owner: 'ufw' },
  {
    name: 'ufw that allows ssh',
    load: ufw('-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n'),
    verdict: 'accept',
  },
  {
    name: 'ufw that limits ssh',
    load: ufw(
      '-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --rsource\n-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --rsource -j ufw-user-limit\n-A ufw-user-input -p tcp -m tcp --dport 22 -j ufw-user-limit-accept\n',
    ),
    verdict: 'accept',
  },
  { name: 'firewalld without ssh', load: firewalld(''), verdict: 'reject', owner: 'firewalld' },
  { name: 'firewalld with ssh', load: firewalld('tcp dport 22 accept;'), verdict: 'accept' },
];
