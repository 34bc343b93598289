/**
 * One device, one gate, one thief and a bad network, simulated: the order of the gate's checks with durable and lost state, clocks that
 * jump, crashes between any two steps. The world knows everything that ever happened and says which promise was broken. The
 * rules are passed in, so that a test can break one and see the world notice.
 */
import {
  epochOf,
  firstState,
  type FreshnessRow,
  freshness,
  heldEpochs,
  judge,
  type Kind,
  learn,
  nextRequest,
  parseAddress,
  record,
  type SenderState,
  sourceAllowed,
  type StatedSource,
  type UnixMicros,
  windowOf,
} from '@postern/protocol';

/** Everything that the simulation takes from the protocol, and the two orders that the monitor has to keep. */
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

/** The rules as they are. */
export const RULES: Rules = {
  ...{ freshness, record, judge, sourceAllowed, nextRequest, learn },
  ...{ recordFirst: true, newIdOnRestore: true },
};

/** Where the gate's process dies while it handles a request. */
export type Crash = 'never' | 'before-record' | 'after-record' | 'after-open';

/** One thing that happens. Indices are taken modulo what there is; times are microseconds. */
export type Happening =
  | { readonly type: 'wait' | 'device-clock' | 'gate-clock'; readonly micros: number }
  | {
      readonly type: 'send';
      readonly kind: Kind;
      readonly observed: boolean;
      readonly attempt: number;
      readonly packets: number;
    }
  | { readonly type: 'deliver'; readonly index: number; readonly keep: boolean; readonly crash: Crash }
  | { readonly type: 'steal'; readonly index: number; readonly spoofed: boolean; readonly crash: Crash }
  | { readonly type: 'lose' | 'device-restore' | 'gate-restore'; readonly index: number }
  | { readonly type: 'deliver-all'; readonly seed: number }
  | { readonly type: 'blackout'; readonly knocks: number }
  | { readonly type: 'device-backup' | 'gate-backup' | 'gate-forget' };

interface Packet {
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
}

interface Receipt {
  readonly status: 'ok' | 'clock' | 'resync';
  readonly now: UnixMicros;
  readonly era: number;
  readonly stateId: Uint8Array;
  readonly nextKey: undefined;
}

type InFlight = { readonly packet: Packet; readonly receipt: Receipt | undefined };

/** What the gate has on disk, and what the world knows about it. */
interface GateState {
  stateId: Uint8Array;
  row: FreshnessRow | undefined;
  /** Highest era that a request from a fast clock ended; −1 if none. */
  deadEra: number;
  /** Newest recorded request and newest `close` that took effect, by life of the device. */
  readonly recorded: Map<number, number>;
  readonly closed: Map<number, number>;
}

/** How a knock over a good network went. */
export interface KnockOutcome {
  readonly opened: boolean;
  /** Packets that nobody answered. */
  readonly silences: number;
  /** Receipts that opened nothing. */
  readonly receipts: number;
}

const START = 1_790_000_000_000_000;
const HOME = address('192.0.2.7');
const ELSEWHERE = address('198.51.100.9');
const LEAVE = { observedSource: true } as Parameters<typeof sourceAllowed>[2];

/** The simulated world. */
export class FreshnessWorld {
  readonly #rules: Rules;
  #true = START;
  #deviceSkew = 0;
  #gateSkew = 0;
  #ids = 0;
  #gate: GateState;
  #device: SenderState;
  #life = 0;
  #lives = 1;
  /** A device that nobody answered for 1,024 eras looks beyond what it keeps: then its requests are not in order. */
  readonly #unordered = new Set<number>();
  readonly #gateBackups: GateState[] = [];
  readonly #deviceBackups: SenderState[] = [];
  #flight: InFlight[] = [];
  readonly #sent: Packet[] = [];
  readonly #opened = new Set<number>();
  /** Every promise that was broken, as a sentence. */
  readonly broken: string[] = [];

  constructor(rules: Rules = RULES) {
    this.#rules = rules;
    this.#gate = { stateId: this.#stateId(), row: undefined, deadEra: -1, recorded: new Map(), closed: new Map() };
    this.#device = firstState(this.#gate.stateId, new Uint8Array(32));
    this.#deviceBackups.push(this.#device);
    this.#gateBackups.push(copy(this.#gate));
  }

  get device(): SenderState {
    return this.#device;
  }

  get row(): FreshnessRow | undefined {
    return this.#gate.row;
  }

  /** True once the gate lost its state or came back from a backup. */
  gateLost = false;

  /** True once the device's state came from a backup. */
  get restored(): boolean {
    return this.#life > 0;
  }

  /** False once this life of the device sent beyond what it keeps, because nobody answered for too many eras. */
  get ordered(): boolean {
    return !this.#unordered.has(this.#life);
  }

  get opened(): number {
    return this.#opened.size;
  }

  /** Packets and receipts that are on their way. */
  get inFlight(): number {
    return this.#flight.length;
  }

  /** How far the device's clock, and the gate's as the device knows it, are from the gate's, in microseconds. */
  get clockErrors(): { readonly own: number; readonly corrected: number } {
    const own = Math.abs(this.#deviceSkew - this.#gateSkew);
    return { own, corrected: Math.abs(this.#deviceSkew + this.#device.offset - this.#gateSkew) };
  }

  happen(event: Happening): void {
    switch (event.type) {
      case 'wait':
        this.#true += Math.abs(event.micros);
        break;
      case 'device-clock':
        this.#deviceSkew += event.micros;
        break;
      case 'gate-clock':
        this.#gateSkew += event.micros;
        break;
      case 'send':
        for (let i = 0; i < event.packets; i++) {
          this.#flight.push({ packet: this.#send(event.kind, event.observed, event.attempt), receipt: undefined });
          this.#true += 700;
        }
        break;
      case 'deliver':
        this.#deliver(event.index, event.keep, event.crash);
        break;
      case 'deliver-all':
        this.#deliverAll(event.seed);
        break;
      case 'steal':
        this.#steal(event.index, event.spoofed, event.crash);
        break;
      case 'lose':
        if (this.#flight.length > 0) this.#flight.splice(event.index % this.#flight.length, 1);
        break;
      case 'blackout':
        for (let knock = 0; knock < event.knocks; knock++) {
          for (let attempt = 1; attempt <= 6; attempt++) this.#send('open', false, attempt);
          this.#true += 6_000_000;
        }
        break;
      case 'device-backup':
        this.#deviceBackups.push(this.#device);
        break;
      case 'device-restore':
        this.#device = this.#deviceBackups[event.index % this.#deviceBackups.length] ?? this.#device;
        this.#life = this.#lives++;
        // Receipts can be opened only by the process that sent the request.
        this.#flight = this.#flight.filter(({ receipt }) => receipt === undefined);
        break;
      case 'gate-backup':
        this.#gateBackups.push(copy(this.#gate));
        break;
      case 'gate-restore':
        this.gateLost = true;
        this.#gate = copy(this.#gateBackups[event.index % this.#gateBackups.length] ?? this.#gate);
        if (this.#rules.newIdOnRestore) this.#gate.stateId = this.#stateId();
        break;
      case 'gate-forget':
        this.gateLost = true;
        this.#gate = { stateId: this.#stateId(), row: undefined, deadEra: -1, recorded: new Map(), closed: new Map() };
        break;
    }
  }

  /** An honest knock over a network that is good now: 10 ms each way, nothing lost; a second of silence, then the next try. */
  knock(most = 24): KnockOutcome {
    this.#flight = [];
    let silences = 0;
    let receipts = 0;
    for (let attempt = 1, tries = 0; tries < most; tries++) {
      const packet = this.#send('open', false, attempt);
      this.#true += 10_000;
      const receipt = this.#receive(packet, HOME, 'never');
      this.#true += 10_000;
      if (receipt === undefined) {
        silences++;
        attempt++;
        this.#true += 1_000_000;
      } else {
        this.#learn(packet, receipt);
        if (receipt.status === 'ok') return { opened: true, silences, receipts };
        receipts++;
        attempt = 1;
      }
    }
    return { opened: false, silences, receipts };
  }

  #now(skew: number): UnixMicros {
    return Math.max(0, this.#true + skew) as UnixMicros;
  }

  #stateId(): Uint8Array {
    const id = new Uint8Array(8);
    new DataView(id.buffer).setUint32(4, ++this.#ids);
    return id;
  }

  #send(kind: Kind, observed: boolean, attempt: number): Packet {
    const sent = this.#now(this.#deviceSkew);
    const { state, era, time, clock } = this.#rules.nextRequest(this.#device, sent, attempt);
    if (era > state.era) this.#unordered.add(this.#life);
    this.#device = state;
    const stated = !observed && (kind === 'open' || kind === 'extend');
    const source: StatedSource = stated ? { type: 4, prefix: 32, address: HOME } : { type: 'observed' };
    const packet = {
      ...{ id: this.#sent.length, kind, source, era, time, sent },
      ...{ epoch: epochOf(clock), stateId: state.stateId, life: this.#life },
    };
    this.#sent.push(packet);
    return packet;
  }

  #deliver(index: number, keep: boolean, crash: Crash): void {
    if (this.#flight.length === 0) return;
    const at = index % this.#flight.length;
    const item = this.#flight[at];
    if (item === undefined) return;
    if (!keep) this.#flight.splice(at, 1);
    if (item.receipt !== undefined) return this.#learn(item.packet, item.receipt);
    const receipt = this.#receive(item.packet, HOME, crash);
    if (receipt !== undefined) this.#flight.push({ packet: item.packet, receipt });
  }

  /** Everything in flight arrives in some order and may arrive once more. */
  #deliverAll(seed: number): void {
    for (let left = this.#flight.length, at = seed; left > 0; left--, at = (at * 48_271 + 11) % 2_147_483_647) {
      this.#deliver(at, at % 2 === 0, 'never');
    }
  }

  /** The thief has a copy of every packet that was ever sent; what the gate answers to a stolen address is the device's to hear. */
  #steal(index: number, spoofed: boolean, crash: Crash): void {
    const packet = this.#sent[index % Math.max(1, this.#sent.length)];
    if (packet === undefined) return;
    const before = this.#gate.row;
    const receipt = this.#receive(packet, spoofed ? HOME : ELSEWHERE, crash);
    if (spoofed && receipt !== undefined) this.#flight.push({ packet, receipt });
    if (!spoofed && packet.source.type !== 'observed' && this.#gate.row !== before) {
      this.broken.push('a packet from another address than it states was recorded');
    }
  }

  #learn(packet: Packet, receipt: Receipt): void {
    if (packet.life !== this.#life) return;
    this.#device = this.#rules.learn(this.#device, receipt, packet.sent, this.#now(this.#deviceSkew), packet);
  }

  #receive(packet: Packet, from: Uint8Array, crash: Crash): Receipt | undefined {
    const now = this.#now(this.#gateSkew);
    const { stateId, row } = this.#gate;
    if (!heldEpochs(now).includes(packet.epoch)) return undefined;
    if (!this.#rules.sourceAllowed(packet, from, LEAVE).ok) return undefined;
    if (!this.#rules.freshness(row, packet).ok) return undefined;
    const window = windowOf(packet.kind, packet.source);
    const status = this.#rules.judge(packet, now, window, stateId);
    if (crash === 'before-record') return undefined;
    if (this.#rules.recordFirst) this.#record(packet, now, window);
    if (crash === 'after-record') return undefined;
    if (status === 'ok') this.#act(packet, from, now, window);
    if (crash === 'after-open') return undefined;
    if (!this.#rules.recordFirst) this.#record(packet, now, window);
    return { status, now, era: this.#gate.row?.era ?? 0, stateId, nextKey: undefined };
  }

  #record(packet: Packet, now: UnixMicros, window: number): void {
    const gate = this.#gate;
    const row = this.#rules.record(gate.row, packet, now, window);
    const before = gate.row;
    if (before !== undefined && (row.era < before.era || (row.era === before.era && row.top < before.top))) {
      this.broken.push('a row went back');
    }
    gate.row = row;
    gate.recorded.set(packet.life, Math.max(packet.id, gate.recorded.get(packet.life) ?? -1));
    if (packet.time > now + window) gate.deadEra = Math.max(gate.deadEra, packet.era);
  }

  #act(packet: Packet, from: Uint8Array, now: UnixMicros, window: number): void {
    const gate = this.#gate;
    const ordered = !this.#unordered.has(packet.life);
    if (packet.kind === 'close') {
      const newest = gate.recorded.get(packet.life) ?? packet.id;
      if (ordered && newest > packet.id) this.broken.push('a delayed close ended what was opened after it was sent');
      gate.closed.set(packet.life, Math.max(packet.id, gate.closed.get(packet.life) ?? -1));
    }
    if (packet.kind !== 'open') return;
    if (this.#opened.has(packet.id)) this.broken.push('a packet opened twice');
    this.#opened.add(packet.id);
    if (Math.abs(packet.time - now) > window) this.broken.push('a packet opened outside its window');
    if (packet.source.type !== 'observed' && from !== HOME) this.broken.push('a packet opened to another address');
    if (packet.stateId !== gate.stateId) this.broken.push('a packet opened that was made for a state that is lost');
    if (packet.era <= gate.deadEra) this.broken.push('a packet opened from an era that a fast clock ended');
    if (ordered && packet.id < (gate.closed.get(packet.life) ?? -1)) {
      this.broken.push('a packet that was sent before a close opened after it');
    }
  }
}

function copy(state: GateState): GateState {
  return { ...state, recorded: new Map(state.recorded), closed: new Map(state.closed) };
}

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new TypeError(`not an address: ${text}`);
  return bytes;
}
