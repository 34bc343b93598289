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

/** Joins a server's namespace to the world, which gets `count` addresses in its network; the server's device. */
export function joinWorld(server: Namespace, world: Namespace, network: string, count: number): string {
  const { here, there } = server.connect(world, [`${serverIn(network)}/16`], []);
  const all = [strangerIn(network), ...Array.from({ length: count }, (_, i) => sourceIn(network, i))];
  const lines = all.map((address) => `address add ${address}/16 dev ${there}\n`);
  world.run('ip', ['-batch', '-'], lines.join(''));
  return here;
}
