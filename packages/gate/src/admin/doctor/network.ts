/** How packets reach this host: interfaces, what is forwarded, what the kernel answers by itself. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { contains, parseAddress, prefixOf, type Prefix } from '@postern/protocol';
import type { HostView } from '../ruleset/simulate.ts';

/** An interface that packets of others come in by. */
export interface Interface {
  readonly name: string;
  readonly family: 4 | 6;
  /** One address of this host there. */
  readonly address: string;
  /** The block that is reached through it without a router. */
  readonly block: Prefix;
  /** The way to the internet leads through it. */
  readonly byDefault: boolean;
}

/** Answers of the kernel itself, and forwarding, by family. */
export interface Kernel {
  readonly forwards: Readonly<Record<4 | 6, boolean>>;
  readonly answersEcho: Readonly<Record<4 | 6, boolean>>;
  /** Sockets of `::` hear IPv6 only, unless they ask for more. */
  readonly onlyV6: boolean;
  /** Ports that the kernel gives to who asks for none. */
  readonly ephemeral: readonly [number, number];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return '';
  }
}

/** Names of interfaces with a default route in the texts of /proc/net/route and /proc/net/ipv6_route. */
export function defaultRoutes(route4: string, route6: string): Readonly<Record<4 | 6, ReadonlySet<string>>> {
  const of4 = route4.split('\n').flatMap((line) => {
    const [name = '', destination, , , , , , mask] = line.split('\t');
    return destination === '00000000' && mask?.trim() === '00000000' ? [name] : [];
  });
  const of6 = route6.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const name = words.at(-1);
    return words[0] === '0'.repeat(32) && words[1] === '00' && name !== undefined && name !== 'lo' ? [name] : [];
  });
  return { 4: new Set(of4), 6: new Set(of6) };
}

/** The interfaces that are up and have an address that is not only for their link. */
export function readInterfaces(): Interface[] {
  const routes = defaultRoutes(read('/proc/self/net/route'), read('/proc/self/net/ipv6_route'));
  const found = new Map<string, Interface>();
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, family: of, internal, cidr } of addresses) {
      const family = of === 'IPv4' ? 4 : 6;
      const bytes = parseAddress(address);
      if (internal || bytes === undefined || /^fe[89ab]/i.test(address) || found.has(`${name} ${family}`)) continue;
      const block = prefixOf(bytes, Number(cidr?.split('/')[1] ?? (family === 4 ? 32 : 128)));
      found.set(`${name} ${family}`, { name, family, address, block, byDefault: routes[family].has(name) });
    }
  }
  return [...found.values()].toSorted((a, b) => a.name.localeCompare(b.name) || a.family - b.family);
}

/** Reads what the kernel does by itself. */
export function readKernel(): Kernel {
  const flag = (name: string): boolean => read(`/proc/sys/net/${name}`) === '1';
  const [low = NaN, high = NaN] = read('/proc/sys/net/ipv4/ip_local_port_range').split(/\s+/).map(Number);
  return {
    forwards: { 4: flag('ipv4/ip_forward'), 6: flag('ipv6/conf/all/forwarding') },
    answersEcho: { 4: !flag('ipv4/icmp_echo_ignore_all'), 6: !flag('ipv6/icmp/echo_ignore_all') },
    onlyV6: flag('ipv6/bindv6only'),
    ephemeral: Number.isNaN(low + high) ? [32_768, 60_999] : [low, high],
  };
}

/** Where strangers' packets of a family come in: where the default route leads, or everywhere when there is none. */
export function entrances(all: readonly Interface[], family: 4 | 6): readonly Interface[] {
  const own = all.filter((it) => it.family === family);
  const first = own.filter((it) => it.byDefault);
  return first.length > 0 ? first : own;
}

/** What the simulation asks of a host with these interfaces. */
export function hostView(all: readonly Interface[]): HostView {
  const own = new Set(all.map(({ address }) => address));
  return {
    isLocal: (address) => own.has(address),
    wayTo: (address) => {
      const bytes = parseAddress(address);
      const near = all.find(({ block }) => bytes !== undefined && contains(block, bytes));
      return (near ?? all.find((it) => it.byDefault && it.family === (address.includes(':') ? 6 : 4)))?.name;
    },
  };
}
