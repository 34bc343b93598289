/** A device, its gate and the way between them, simulated: the client's engine runs unchanged on a clock that the test drives. */
import {
  deviceIdOf,
  familyOf,
  firstState,
  importVerifier,
  parseAddress,
  secret,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { MiniatureGate } from '@postern/testkit/miniature-gate';
import { seededBytes, seededNumbers, SimulatedClock, SimulatedNetwork } from '@postern/testkit/simulated-network';
import type { Progress } from '../outcome.ts';
import type { Memory } from '../host.ts';
import { knock, type KnockOptions, type KnockResult } from '../knock.ts';
import { type Ask, type Party, partyOf } from '../request.ts';
import { type Path, PathError, type PathEvents, type Surroundings, type Transport } from '../transport.ts';

const START = Date.UTC(2026, 10, 22, 12) * 1000;

/** Address of the gate. */
export const GATE4: Uint8Array = address('192.0.2.1');
/** The same in IPv6. */
export const GATE6: Uint8Array = address('2001:db8::1');
/** An address where nothing answers. */
export const NOBODY: Uint8Array = address('192.0.2.99');

/** An address from its text. */
export function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new TypeError(`not an address: ${text}`);
  return bytes;
}

/** A request to open `ssh` from wherever this device is. */
export const OPEN: Ask & { readonly kind: 'open' } = {
  ...{ kind: 'open', service: 'ssh' as ServiceName, seconds: 0, singleUse: false, source: 'auto' },
};

/** The world. What tests change is public. */
export class World {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly network: SimulatedNetwork;
  readonly gate: MiniatureGate;
  readonly random: (size: number) => Uint8Array;
  /** By local address: what the gate sees instead (address translation). */
  readonly translated: Map<string, string> = new Map();
  /** What happens at an address of nobody: an ICMP error comes back, or nothing. */
  icmp: string | undefined;
  /** Microseconds by which the gate's clock is ahead of true time. */
  gateSkew = 0;

  constructor(seed: number) {
    const number = seededNumbers(seed);
    this.random = seededBytes(number);
    this.network = new SimulatedNetwork(this.clock, number);
    this.gate = new MiniatureGate({ random: this.random, now: () => this.time(this.gateSkew) });
  }

  /** True time and `skew`, in microseconds. */
  time(skew = 0): UnixMicros {
    return (START + Math.round(this.clock.now * 1000) + skew) as UnixMicros;
  }

  /** A new device that the gate knows. */
  device(options: { readonly local?: string; readonly pq?: boolean } = {}): Device {
    return new Device(this, options.local ?? '10.0.0.7', options.pq === true);
  }
}

/** One device. */
export class Device {
  readonly world: World;
  readonly party: Party;
  /** Microseconds by which its clock is ahead of true time. */
  skew = 0;
  /** By family; undefined: it has none. */
  local: Partial<Record<4 | 6, Uint8Array>>;
  memory: Memory;
  /** Milliseconds that keeping its state takes. */
  keeping = 0;
  /** Newest time of which the keeping has ended. */
  durable = 0;
  /** Thrown instead of keeping state. */
  broken: Error | undefined;
  /** What happened on the way, oldest first. */
  readonly progress: Progress[] = [];

  constructor(world: World, local: string, pq: boolean) {
    this.world = world;
    const bytes = address(local);
    this.local = { [familyOf(bytes)]: bytes };
    const { statics, gateKeys, stateId, devices } = world.gate;
    const gate = { x25519: statics[1].public.bytes, xwing: statics[2].public.bytes };
    this.party = partyOf({ gate, pq: pq ? 'required' : 'off' }, secret(world.random(32)));
    const verifier = importVerifier(this.party.signer.publicKey);
    if (verifier === undefined) throw new TypeError('unsound key');
    devices.set(deviceIdOf(this.party.signer.publicKey), verifier);
    const sender = firstState(stateId, gateKeys.at(-1) ?? new Uint8Array(32));
    this.memory = { sender, formerKey: undefined, seen: new Map(), roundTrip: undefined };
  }

  /** Knocks, without letting time pass. */
  start(ask: Ask = OPEN, more: Partial<KnockOptions> = {}): Promise<KnockResult> {
    return knock({
      surroundings: this.#surroundings(),
      party: this.party,
      keeper: {
        update: async (change) => {
          if (this.broken !== undefined) throw this.broken;
          const memory = (this.memory = change(this.memory));
          if (this.keeping > 0) {
            await new Promise<void>((resolve) => {
              this.world.clock.after(this.keeping, resolve);
            });
          }
          this.durable = Math.max(this.durable, memory.sender.last);
          return memory;
        },
      },
      memory: this.memory,
      ask,
      addresses: [GATE4],
      port: 62_201,
      reach: 'any',
      onProgress: (_, progress) => {
        this.progress.push(progress);
      },
      ...more,
    });
  }

  /** Knocks, and lets time pass until it ends. */
  knock(ask?: Ask, more?: Partial<KnockOptions>): Promise<KnockResult> {
    return this.world.clock.run(this.start(ask, more));
  }

  /** How it ended, in one word: the status of a receipt, or the kind of another end; of several families each. */
  async outcome(ask?: Ask, more?: Partial<KnockOptions>): Promise<string> {
    return words(await this.knock(ask, more));
  }

  #surroundings(): Surroundings {
    const { clock } = this.world;
    return {
      transport: this.#transport(),
      random: this.world.random,
      now: () => this.world.time(this.skew),
      tick: () => clock.now,
      after: (milliseconds, run) => clock.after(milliseconds, run),
    };
  }

  #transport(): Transport {
    return {
      connect: async (to: Uint8Array, _: number, events: PathEvents): Promise<Path> => {
        await Promise.resolve();
        const local = this.local[familyOf(to)];
        if (local === undefined) throw new PathError('ENETUNREACH');
        const { world } = this;
        let open = true;
        return {
          local,
          network: `${local.join('.')}/24`,
          send: (datagram) => {
            world.network.carry(datagram, (packet) => {
              if (![GATE4, GATE6].some((gate) => Buffer.from(gate).equals(to))) {
                const { icmp } = world;
                if (icmp !== undefined && open) events.trouble(icmp);
                return;
              }
              const seen = world.translated.get(local.join('.'));
              const receipt = world.gate.handle(packet, seen === undefined ? local : address(seen));
              if (receipt === undefined) return;
              world.network.carry(receipt, (answer) => {
                if (open) events.received(answer);
              });
            });
          },
          [Symbol.dispose]: () => {
            open = false;
          },
        };
      },
    };
  }
}

/** How each attempt ended, in one word. */
export function words(result: KnockResult): string {
  return result.map(({ outcome }) => (outcome.kind === 'answered' ? outcome.status : outcome.kind)).join(' ');
}
