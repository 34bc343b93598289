/** How packets leave and receipts come: a port, so that tests can put a simulated network behind it. */
import type { Random, UnixMicros } from '@postern/protocol';

/** What a path tells. */
export interface PathEvents {
  /** A datagram came from the far end. */
  readonly received: (datagram: Uint8Array) => void;
  /** The network says that something is wrong (`ECONNREFUSED`, `EHOSTUNREACH` …). No end: anyone on the way can say so. */
  readonly trouble: (code: string) => void;
}

/** A UDP socket that is connected to one address and port of a gate. */
export interface Path extends Disposable {
  /** The local address, 16 bytes. */
  readonly local: Uint8Array;
  /** The network that the local address is on. */
  readonly network: string;
  /** Sends one datagram. Never throws; trouble is told to {@link PathEvents}. */
  send(datagram: Uint8Array): void;
}

/** Makes paths. */
export interface Transport {
  /** @throws PathError if there is no way to that address from here */
  connect(address: Uint8Array, port: number, events: PathEvents): Promise<Path>;
}

/** There is no way to an address from here: no route, no such family. `code` is the system's. */
export class PathError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`no path: ${code}`);
    this.code = code;
  }
}

/** Clock, timers, randomness and network of the device. */
export interface Surroundings {
  readonly transport: Transport;
  readonly random: Random;
  /** The device's clock: right or wrong. */
  readonly now: () => UnixMicros;
  /** A clock that only goes forward, in milliseconds. */
  readonly tick: () => number;
  /** Calls `run` after some milliseconds; the function that is returned prevents it. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
}
