/** Addresses of the world: each server has a /16 network of its own, in which it is `.0.1`. */
import type { Namespace } from '../../namespace.ts';

/** Address number `index` of the world in a network such as `10.94`. At most 128 of them share a /24. */
export function sourceIn(network: string, index: number): string {
  return `${network}.${String(1 + (index >> 7))}.${String(1 + (index & 127))}`;
}

/** The server's address. */
export function serverIn(network: string): string {
  return `${network}.0.1`;
}

/** An address of the world's from which nobody knocks, in a /24 of its own. */
export function strangerIn(network: string): string {
  return `${network}.255.66`;
}

/** The world's own address in a network: the next hop to all others, and the server's only neighbour. */
export function hopIn(network: string): string {
  return `${network}.0.2`;
}

/**
 * Joins a server's namespace to the world, which gets `count` addresses in its network; the server's device. All of them are behind one
 * hop, as on the internet, and both ends know the other's link address: the kernel keeps at most 1,024 neighbours for all namespaces together
 * (`net.ipv4.neigh.default.gc_thresh3`), and beyond them packets would be lost that no server is to blame for.
 */
export function joinWorld(server: Namespace, world: Namespace, network: string, count: number): string {
  const { here, there } = server.connect(world, [`${serverIn(network)}/30`], [`${hopIn(network)}/30`]);
  for (const [namespace, device, neighbour, far, itsDevice] of [
    [server, here, hopIn(network), world, there],
    [world, there, serverIn(network), server, here],
  ] as const) {
    const link = far.run('cat', [`/sys/class/net/${itsDevice}/address`]).trim();
    namespace.run('ip', ['neigh', 'replace', neighbour, 'lladdr', link, 'dev', device, 'nud', 'permanent']);
  }
  server.run('ip', ['route', 'add', `${network}.0.0/16`, 'via', hopIn(network), 'dev', here]);
  const all = [strangerIn(network), ...Array.from({ length: count }, (_, i) => sourceIn(network, i))];
  world.run('ip', ['-batch', '-'], all.map((address) => `address add ${address}/32 dev ${there}\n`).join(''));
  return here;
}
