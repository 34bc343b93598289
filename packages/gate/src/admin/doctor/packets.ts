import type { Packet } from '../ruleset/model.ts';
import type { Interface } from './network.ts';

/** The port from which a stranger's packet comes: one that clients are given. */
const SOMEWHERE = 50_000;

/** A stranger's first packet to a port of this host, at an interface. */
export function arriving(at: Interface, protocol: 'tcp' | 'udp', port: number): Packet {
  return {
    ...{ family: at.family, protocol, source: undefined, destination: at.address },
    ...{ sourcePort: SOMEWHERE, destinationPort: port, flags: protocol === 'tcp' ? ['syn'] : [], state: 'new' },
    ...{ input: at.name, output: undefined, translated: false },
  };
}

/** The packet after it, when conntrack knows the flow. */
export function following(first: Packet): Packet {
  return {
    ...first,
    state: first.state === 'untracked' ? 'untracked' : 'established',
    flags: first.flags.length === 0 ? [] : ['ack'],
  };
}

/** What this host sends from a port to a stranger. */
export function leaving(at: Interface, protocol: 'tcp' | 'udp', port: number, state: Packet['state']): Packet {
  return {
    ...{ family: at.family, protocol, source: at.address, destination: undefined },
    ...{ sourcePort: port, destinationPort: SOMEWHERE, flags: protocol === 'tcp' ? ['syn', 'ack'] : [], state },
    ...{ input: undefined, output: at.name, translated: false },
  };
}

/** A stranger's echo request. */
export function echoRequest(at: Interface): Packet {
  return { ...arriving(at, 'udp', 0), protocol: at.family === 4 ? 'icmp' : 'icmpv6', sourcePort: 0 };
}
