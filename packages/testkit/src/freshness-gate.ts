/**
 * The gate of the simulated world: the order of its checks from the packet to the receipt, with what is durable, what is lost, and
 * a crash between any two steps. It has no memory but the durable one: what the real gate forgets at a crash protects nothing here.
 */
import {
  type freshness,
  type FreshnessRow,
  heldEpochs,
  type judge,
  type Kind,
  type learn,
  type nextRequest,
  type record,
  type sourceAllowed,
  type StatedSource,
  type UnixMicros,
  windowOf,
} from '@postern/protocol';

/** Everything that the simulation takes from the protocol, and two orders that the gate has to keep. */
export interface Rules {
  readonly freshness: typeof freshness;
  readonly record: typeof record;
  readonly judge: typeof judge;
  readonly sourceAllowed: typeof sourceAllowed;
  readonly nextRequest: typeof nextRequest;
  readonly learn: typeof learn;
  /** The record is durable before the firewall is asked. */
  readonly recordFirst: boolean;
  /** A gate whose state came from a backup makes a new state id. */
  readonly newIdOnRestore: boolean;
}

/** Where the gate's process dies while it handles a request. */
export type Crash = 'never' | 'before-record' | 'after-record' | 'after-open';

/** One packet; its `id` counts up in the order of sending. */
export interface SimulatedPacket {
  readonly id: number;
  readonly kind: Kind;
  readonly source: StatedSource;
  readonly era: number;
  readonly time: UnixMicros;
  readonly epoch: number;
  readonly stateId: Uint8Array;
  /** The device's clock when it was sent. */
  readonly sent: UnixMicros;
  /** Which life of the device sent it: restoring a backup begins a new one. */
  readonly life: number;
  /** In this life every packet so far lay after all before it. */
  readonly ordered: boolean;
}

/** One receipt. */
export interface SimulatedReceipt {
  readonly status: 'ok' | 'clock' | 'resync';
  readonly now: UnixMicros;
  readonly era: number;
  readonly stateId: Uint8Array;
  readonly nextKey: undefined;
}

/** What the gate has on disk (state id, row), and what the world knows about that state. */
interface GateState {
  readonly stateId: Uint8Array;
  row: FreshnessRow | undefined;
  /** Highest era that a request from a fast clock ended; −1 if none. */
  deadEra: number;
  /** By life of the device: the newest packet that was recorded, and the newest `close` that took effect. */
  readonly recorded: Map<number, number>;
  readonly closed: Map<number, number>;
}

const LEAVE = { observedSource: true } as Parameters<typeof sourceAllowed>[2];

/** The simulated gate. */
export class FreshnessGate {
  readonly #rules: Rules;
  readonly #home: Uint8Array;
  #states = 0;
  #state: GateState;
  readonly #backups: GateState[];
  readonly #opened = new Set<number>();
  /** True once the state was lost or came back from a backup. */
  lost = false;
  /** Every promise that was broken, as a sentence. */
  readonly broken: string[] = [];

  /** `home` is the only address that the device ever states. */
  constructor(rules: Rules, home: Uint8Array) {
    this.#rules = rules;
    this.#home = home;
    this.#state = this.#empty();
    this.#backups = [copy(this.#state)];
  }

  get stateId(): Uint8Array {
    return this.#state.stateId;
  }

  get row(): FreshnessRow | undefined {
    return this.#state.row;
  }

  /** How many packets opened. */
  get opened(): number {
    return this.#opened.size;
  }

  /** A database that is gone is made anew, with a new state id. */
  forget(): void {
    this.lost = true;
    this.#state = this.#empty();
  }

  backup(): void {
    this.#backups.push(copy(this.#state));
  }

  /** Brings back backup number `index`, modulo those there are; number 0 is the empty database. */
  restore(index: number): void {
    this.lost = true;
    const state = copy(this.#backups[index % this.#backups.length] ?? this.#state);
    this.#state = this.#rules.newIdOnRestore ? { ...state, stateId: this.#newId() } : state;
  }

  /** Handles one packet seen from `from` at `now` by the gate's clock; a crash leaves no receipt. */
  receive(packet: SimulatedPacket, from: Uint8Array, now: UnixMicros, crash: Crash): SimulatedReceipt | undefined {
    const { stateId, row } = this.#state;
    if (!heldEpochs(now).includes(packet.epoch)) return undefined;
    if (!this.#rules.sourceAllowed(packet, from, LEAVE).ok) return undefined;
    if (!this.#rules.freshness(row, packet).ok) return undefined;
    const window = windowOf(packet.kind, packet.source);
    if (crash === 'before-record') return undefined;
    if (this.#rules.recordFirst) this.#record(packet, now, window);
    if (crash === 'after-record') return undefined;
    const status = this.#rules.judge(packet, now, window, stateId);
    if (status === 'ok') this.#act(packet, from, now, window);
    if (crash === 'after-open') return undefined;
    if (!this.#rules.recordFirst) this.#record(packet, now, window);
    return { status, now, era: this.#state.row?.era ?? 0, stateId, nextKey: undefined };
  }

  #record(packet: SimulatedPacket, now: UnixMicros, window: number): void {
    const state = this.#state;
    const before = state.row;
    const row = this.#rules.record(before, packet, now, window);
    if (before !== undefined && (row.era < before.era || (row.era === before.era && row.top < before.top))) {
      this.broken.push('a row went back');
    }
    state.row = row;
    state.recorded.set(packet.life, Math.max(packet.id, state.recorded.get(packet.life) ?? -1));
    if (packet.time > now + window) state.deadEra = Math.max(state.deadEra, packet.era);
  }

  #act(packet: SimulatedPacket, from: Uint8Array, now: UnixMicros, window: number): void {
    if (packet.kind === 'close') this.#close(packet);
    if (packet.kind === 'open') this.#open(packet, from, now, window);
  }

  #close(packet: SimulatedPacket): void {
    const { recorded, closed } = this.#state;
    if (packet.ordered && (recorded.get(packet.life) ?? -1) > packet.id) {
      this.broken.push('a delayed close ended what was opened after it was sent');
    }
    closed.set(packet.life, Math.max(packet.id, closed.get(packet.life) ?? -1));
  }

  #open(packet: SimulatedPacket, from: Uint8Array, now: UnixMicros, window: number): void {
    const { stateId, deadEra, closed } = this.#state;
    if (this.#opened.has(packet.id)) this.broken.push('a packet opened twice');
    this.#opened.add(packet.id);
    if (Math.abs(packet.time - now) > window) this.broken.push('a packet opened outside its window');
    if (packet.source.type !== 'observed' && from !== this.#home)
      this.broken.push('a packet opened to another address');
    if (packet.stateId !== stateId) this.broken.push('a packet opened that was made for a state that is lost');
    if (packet.era <= deadEra) this.broken.push('a packet opened from an era that a fast clock ended');
    if (packet.ordered && packet.id < (closed.get(packet.life) ?? -1)) {
      this.broken.push('a packet that was sent before a close opened after it');
    }
  }

  #empty(): GateState {
    return { stateId: this.#newId(), row: undefined, deadEra: -1, recorded: new Map(), closed: new Map() };
  }

  #newId(): Uint8Array {
    const id = new Uint8Array(8);
    new DataView(id.buffer).setUint32(4, ++this.#states);
    return id;
  }
}

function copy(state: GateState): GateState {
  return { ...state, recorded: new Map(state.recorded), closed: new Map(state.closed) };
}
