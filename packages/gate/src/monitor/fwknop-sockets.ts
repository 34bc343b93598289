import type { FwknopHearing } from '../config/fwknop/model.ts';
import { fwknopFilter } from '../system/fwknop-filter.ts';
import { PacketSocket } from '../system/packet-socket.ts';
import { unite } from '../system/port-ranges.ts';

/** Where packets of fwknop's format are heard. */
export type FwknopHears = readonly FwknopHearing[];

/** What a sentry hears of fwknop's format with. */
export interface FwknopHearingNow {
  /** Undefined: nowhere. */
  readonly hears: FwknopHears | undefined;
  /** The sentry's end of the line to the GPG helper. */
  readonly gpgFd: number | undefined;
}

/** The filter of one family. */
function filterOf(family: 4 | 6, hears: FwknopHears): Uint8Array {
  const ranges = (protocol: 'udp' | 'tcp'): ReturnType<typeof unite> =>
    unite(hears.flatMap((it) => (it.protocol === protocol ? [{ first: it.first, last: it.last }] : [])));
  const icmp = hears.some(({ protocol }) => protocol === 'icmp');
  return fwknopFilter({ family, udp: ranges('udp'), tcp: ranges('tcp'), icmp });
}

/** The packet sockets, one of each family, that packets of fwknop's format are read from. */
export class FwknopSockets implements Disposable {
  readonly #sockets: Readonly<Record<4 | 6, PacketSocket>>;

  /** @throws PersonError when packet sockets are not permitted */
  constructor() {
    using opened = new DisposableStack();
    this.#sockets = { 4: opened.use(new PacketSocket(4)), 6: opened.use(new PacketSocket(6)) };
    opened.move();
  }

  /** Descriptors by family. */
  get fds(): Readonly<Record<4 | 6, number>> {
    return { 4: this.#sockets[4].fd, 6: this.#sockets[6].fd };
  }

  /** Hears there, and nowhere else; undefined: nowhere. @throws Error when the kernel has no room for the filter, and then nothing is heard */
  hear(hears: FwknopHears | undefined): void {
    for (const family of [4, 6] as const) {
      if (hears === undefined) this.#sockets[family].deafen();
      else if (!this.#sockets[family].hear(filterOf(family, hears)))
        throw new Error(`the filter for IPv${String(family)} was refused; is net.core.optmem_max too small?`);
    }
  }

  [Symbol.dispose](): void {
    this.#sockets[4][Symbol.dispose]();
    this.#sockets[6][Symbol.dispose]();
  }
}
