import { deriveEpochKeys, heldEpochs, type UnixMicros } from '@postern/protocol';
import type { Capture } from '../config/model.ts';
import type { FilteredSocket, FilterVariant } from '../system/filtered-socket.ts';
import { openPacketSocket } from '../system/packet-socket.ts';
import { openUdpSocket } from '../system/udp-socket.ts';

/** The live gate keys, 32 bytes each; `next` while a rotation is under way. */
export interface GateKeys {
  readonly current: Uint8Array;
  readonly next: Uint8Array | undefined;
}

/** How knocks of one family are heard. */
export interface Hearing {
  readonly family: 4 | 6;
  /**
   * - `tag`: the kernel checks form and tag, so a stranger's packet never wakes the sentry.
   * - `form`: the kernel checks the form only, because so many tags do not fit `net.core.optmem_max`; the sentry checks the tag.
   * - `deaf`: this host does not have the family; `why` says so.
   */
  readonly filter: 'tag' | 'form' | 'deaf';
  readonly why: string | undefined;
}

/** The sockets of one family: `reply` sends receipts, `heard` is the one that knocks are read from. */
interface Ear {
  readonly family: 4 | 6;
  readonly packet: FilteredSocket | undefined;
  readonly udp: FilteredSocket;
  readonly heard: FilteredSocket;
  filter: FilterVariant;
}

/**
 * The sockets that the sentry works with. The monitor keeps its own copies of the descriptors: they outlive every sentry, so that no ICMP
 * error tells a stranger that one ended, and through them the filters follow epochs and gate keys.
 */
export class SentrySockets implements Disposable {
  readonly capture: Capture;
  readonly #ears: Readonly<Record<4 | 6, Ear | undefined>>;
  #gateKeys: GateKeys;
  #epoch: number;

  /** @throws PersonError when the port is in use or a capability is missing */
  constructor(capture: Capture, port: number, gateKeys: GateKeys, now: UnixMicros) {
    this.capture = capture;
    this.#gateKeys = gateKeys;
    this.#epoch = heldEpochs(now)[0];
    using opened = new DisposableStack();
    const tagKeys = tagKeysOf(gateKeys, now);
    const open = (family: 4 | 6): Ear | undefined => {
      const udp = openUdpSocket(family, port, capture === 'dgram' ? { use: 'receive', tagKeys } : { use: 'send' });
      if (udp === undefined) return undefined;
      opened.use(udp.socket);
      if (udp.filter !== undefined) {
        return { family, packet: undefined, udp: udp.socket, heard: udp.socket, filter: udp.filter };
      }
      const packet = openPacketSocket(family, port, tagKeys);
      opened.use(packet.socket);
      return { family, packet: packet.socket, udp: udp.socket, heard: packet.socket, filter: packet.filter };
    };
    this.#ears = { 4: open(4), 6: open(6) };
    if (this.#ears[4] === undefined && this.#ears[6] === undefined)
      throw new Error('this host has neither IPv4 nor IPv6');
    opened.move();
  }

  /** Descriptors by what they are for; undefined where the host does not have the family or the capture does not need it. */
  get fds(): Readonly<Record<'packet4' | 'packet6' | 'udp4' | 'udp6', number | undefined>> {
    const { 4: four, 6: six } = this.#ears;
    return { packet4: four?.packet?.fd, packet6: six?.packet?.fd, udp4: four?.udp.fd, udp6: six?.udp.fd };
  }

  /** How IPv4 and IPv6 are heard now. */
  get hearing(): readonly [Hearing, Hearing] {
    return [this.#hearing(4), this.#hearing(6)];
  }

  /** Puts filters for the tags of the live gate keys and epochs in place; does nothing when they are there. */
  tune(gateKeys: GateKeys, now: UnixMicros): void {
    const epoch = heldEpochs(now)[0];
    if (gateKeys === this.#gateKeys && epoch === this.#epoch) return;
    this.#gateKeys = gateKeys;
    this.#epoch = epoch;
    this.#hear(now);
  }

  /** Lets packets of fwknop's format through where knocks are read from an open port. */
  hearFwknop(on: boolean, now: UnixMicros): void {
    if (this.capture !== 'dgram') return;
    for (const ear of [this.#ears[4], this.#ears[6]]) if (ear !== undefined) ear.heard.fwknop = on;
    this.#hear(now);
  }

  #hear(now: UnixMicros): void {
    const tagKeys = tagKeysOf(this.#gateKeys, now);
    for (const ear of [this.#ears[4], this.#ears[6]]) if (ear !== undefined) ear.filter = ear.heard.hear(tagKeys);
  }

  /** Has the filters put in place for the keys that are in use, if the epoch has changed. */
  turn(now: UnixMicros): void {
    this.tune(this.#gateKeys, now);
  }

  [Symbol.dispose](): void {
    for (const ear of [this.#ears[4], this.#ears[6]]) {
      ear?.packet?.[Symbol.dispose]();
      ear?.udp[Symbol.dispose]();
    }
  }

  #hearing(family: 4 | 6): Hearing {
    const ear = this.#ears[family];
    if (ear === undefined) return { family, filter: 'deaf', why: `this host has no IPv${String(family)}` };
    const why = ear.filter === 'form' ? 'net.core.optmem_max is too small for a filter that checks tags' : undefined;
    return { family, filter: ear.filter, why };
  }
}

/** Tag keys of every live gate key in every epoch that is heard. */
function tagKeysOf({ current, next }: GateKeys, now: UnixMicros): readonly Uint8Array[] {
  const keys = next === undefined ? [current] : [current, next];
  return keys.flatMap((key) => heldEpochs(now).map((epoch) => deriveEpochKeys(key, epoch).tag));
}
