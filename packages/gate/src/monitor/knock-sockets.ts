import { networkInterfaces } from 'node:os';
import { familyOf, formatAddress, parseAddress } from '@postern/protocol';
import { readEphemeralPorts, readListeningPorts, type Ports } from '../system/listening-ports.ts';
import { MOST_ADDRESSES, portKnockFilter } from '../system/port-knock-filter.ts';
import { coarsen, unite, without, type PortRange } from '../system/port-ranges.ts';
import { PacketSocket } from '../system/packet-socket.ts';

/** What counts as a knock, as far as the configuration says. */
export interface KnockPlan {
  /** Ports that doors name: a gap in what is deaf that is never closed, and UDP ports that are heard though the host connects from there. */
  readonly doorPorts: Readonly<Record<'tcp' | 'udp', ReadonlySet<number>>>;
  /** TCP ports at which doors ask for flags. */
  readonly flagPorts: ReadonlySet<number>;
  /** Families whose echo requests are knocks. */
  readonly echo: Readonly<Record<4 | 6, boolean>>;
  /** Addresses of doors with a target, 16 bytes each, which may be of hosts behind this one. */
  readonly targets: readonly Uint8Array[];
  /** Ports of services: nothing there is a knock, whoever listens. */
  readonly services: Readonly<Record<'tcp' | 'udp', ReadonlySet<number>>>;
}

/** What the host says, which changes by itself. */
export interface HostPorts {
  readonly listening: Ports;
  readonly ephemeral: PortRange;
  /** Addresses of this host that others can reach, 16 bytes each. */
  readonly addresses: readonly Uint8Array[];
}

/** Reads what the host says. */
export function readHostPorts(): HostPorts {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => parseAddress(address.replace(/%.*/, '')));
  return {
    listening: readListeningPorts(),
    ephemeral: readEphemeralPorts(),
    addresses: addresses.filter((address) => address !== undefined),
  };
}

/** Most ranges of deaf ports of one protocol, for the kernel's limits: the next smaller number is tried where there is no room. */
const MOST_RANGES = [256, 64, 8] as const;

function ranges(ports: Iterable<number>): PortRange[] {
  return [...ports].map((port) => ({ first: port, last: port }));
}

/** The filter of one family; `most` bounds its deaf ranges. */
export function filterOf(family: 4 | 6, plan: KnockPlan, host: HostPorts, most: number): Uint8Array {
  const { doorPorts, services } = plan;
  const { tcp, udp } = host.listening;
  // Answers to the host's own connections come there. A door's port is heard all the same, unless something listens.
  const ephemeral = without([host.ephemeral], doorPorts.udp);
  const deaf = {
    tcp: unite([...tcp, ...ranges(services.tcp)]),
    udp: unite([...udp, ...ephemeral, ...ranges(services.udp)]),
  };
  const addresses = [...plan.targets, ...host.addresses].filter((address) => familyOf(address) === family);
  return portKnockFilter({
    family,
    addresses: [...new Map(addresses.map((address) => [formatAddress(address), address])).values()].slice(
      0,
      MOST_ADDRESSES,
    ),
    deaf: { tcp: coarsen(deaf.tcp, most, doorPorts.tcp), udp: coarsen(deaf.udp, most, doorPorts.udp) },
    flagPorts: [...plan.flagPorts],
    echo: plan.echo[family],
  });
}

/** The sockets that port knocks are read from, one of each family, and their filters, which follow the host's real services. */
export class KnockSockets implements Disposable {
  readonly #sockets: Readonly<Record<4 | 6, PacketSocket>>;
  readonly #attached = new Map<4 | 6, string>();
  /** Which of MOST_RANGES the kernel had room for. */
  #level = 0;
  readonly #onError: (what: string) => void;

  /** @throws PersonError when packet sockets are not permitted */
  constructor(onError: (what: string) => void) {
    this.#onError = onError;
    using opened = new DisposableStack();
    this.#sockets = { 4: opened.use(new PacketSocket(4)), 6: opened.use(new PacketSocket(6)) };
    opened.move();
  }

  /** Descriptors by family. */
  get fds(): Readonly<Record<4 | 6, number>> {
    return { 4: this.#sockets[4].fd, 6: this.#sockets[6].fd };
  }

  /** Puts filters in place for the plan and what the host says now; does nothing when they are there. Without a plan nothing is heard. */
  tune(plan: KnockPlan | undefined, read: () => HostPorts = readHostPorts): void {
    const host = plan === undefined ? undefined : read();
    for (const family of [4, 6] as const) {
      if (plan === undefined || host === undefined) {
        this.#deafen(family);
        continue;
      }
      while (!this.#hear(family, filterOf(family, plan, host, MOST_RANGES[this.#level] ?? 1))) {
        if (this.#level < MOST_RANGES.length - 1) this.#level++;
        else {
          this.#onError(`net.core.optmem_max is too small to hear port knocks over IPv${String(family)}`);
          break;
        }
      }
    }
  }

  #hear(family: 4 | 6, program: Uint8Array): boolean {
    const name = Buffer.from(program).toString('base64');
    if (this.#attached.get(family) === name) return true;
    const heard = this.#sockets[family].hear(program);
    this.#attached.set(family, heard ? name : '');
    return heard;
  }

  #deafen(family: 4 | 6): void {
    if (this.#attached.get(family) === undefined) return;
    this.#sockets[family].deafen();
    this.#attached.delete(family);
  }

  [Symbol.dispose](): void {
    this.#sockets[4][Symbol.dispose]();
    this.#sockets[6][Symbol.dispose]();
  }
}
