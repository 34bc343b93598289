import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Kind of a network device without link addresses (linux/if_arp.h, ARPHRD_NONE): WireGuard, and tun. */
const NO_LINK = '65534';

function isInner(path: string): boolean {
  try {
    return existsSync(`${path}/bridge`) || readFileSync(`${path}/type`, 'latin1').trim() === NO_LINK;
  } catch {
    return false;
  }
}

/** Interfaces behind which this host's own containers, machines or VPN peers are, as far as their kind tells: bridges and tunnels. */
export function innerInterfaces(directory = '/sys/class/net'): string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => isInner(`${directory}/${name}`)) : [];
}

/** Whether one of these names of `trust` means the interface: the name itself, or its beginning and a `*`. */
export function isTrusted(name: string, trust: readonly string[]): boolean {
  return trust.some((it) => (it.endsWith('*') ? name.startsWith(it.slice(0, -1)) : name === it));
}
