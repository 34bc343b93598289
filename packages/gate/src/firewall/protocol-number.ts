/**
 * Numbers of IP protocols (IANA). The ruleset says them and never their names: nft looks names up in /etc/protocols, which a small host or
 * a container does not have (it comes with the package netbase), and there it would refuse the whole table.
 */
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
