/**
 * One device, one gate, one thief and a bad network, simulated: clocks that jump, packets that are lost, late, doubled and stolen,
 * backups that come back. The world knows everything that ever happened and says which promise was broken. The rules
 * are passed in, so that a test can break one and see the world notice.
 */
import {
  epochOf,
  firstState,
  freshness,
  type FreshnessRow,
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
} from '@postern/protocol';
import {
  type Crash,
  FreshnessGate,
  type Rules,
  type SimulatedPacket,
  type SimulatedReceipt,
} from './freshness-gate.ts';

/** The rules as they are. */
export const RULES: Rules = {
  ...{ freshness, record, judge, sourceAllowed, nextRequest, learn },
  ...{ recordFirst: true, newIdOnRestore: true },
};

/**
 * One thing that happens. Indices are taken modulo what there is; times are microseconds. `deliver` brings packet or receipt to its end and
 * may keep a double on the way; `steal` plays any packet ever sent, from the thief's address or the device's; a `blackout`
 * is a number of knocks of six tries that reach nobody.
 */
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
  | { readonly type: 'deliver-all'; readonly seed: number }
  | { readonly type: 'steal'; readonly index: number; readonly spoofed: boolean; readonly crash: Crash }
  | { readonly type: 'lose' | 'device-restore' | 'gate-restore'; readonly index: number }
  | { readonly type: 'blackout'; readonly knocks: number }
  | { readonly type: 'device-backup' | 'gate-backup' | 'gate-forget' };

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

/** The simulated world. */
export class FreshnessWorld {
  readonly #rules: Rules;
  readonly #gate: FreshnessGate;
  #true = START;
  #deviceSkew = 0;
  #gateSkew = 0;
  #device: SenderState;
  readonly #deviceBackups: SenderState[];
  #life = 0;
  #ordered = true;
  readonly #sent: SimulatedPacket[] = [];
  #flight: { readonly packet: SimulatedPacket; readonly receipt: SimulatedReceipt | undefined }[] = [];

  constructor(rules: Rules = RULES) {
    this.#rules = rules;
    this.#gate = new FreshnessGate(rules, HOME);
    this.#device = firstState(this.#gate.stateId, new Uint8Array(32));
    this.#deviceBackups = [this.#device];
  }

  get device(): SenderState {
    return this.#device;
  }

  /** True once the device's state came from a backup. */
  get restored(): boolean {
    return this.#life > 0;
  }

  /** False once this life of the device sent beyond what it keeps, because nobody answered for too many eras. */
  get ordered(): boolean {
    return this.#ordered;
  }

  get row(): FreshnessRow | undefined {
    return this.#gate.row;
  }

  /** True once the gate lost its state or came back from a backup. */
  get gateLost(): boolean {
    return this.#gate.lost;
  }

  /** How many packets opened. */
  get opened(): number {
    return this.#gate.opened;
  }

  /** Every promise that was broken, as a sentence. */
  get broken(): readonly string[] {
    return this.#gate.broken;
  }

  /** How far the device's own clock, and that clock as the device corrects it, are from the gate's, in microseconds. */
  get clockErrors(): { readonly own: number; readonly corrected: number } {
    const own = this.#deviceSkew - this.#gateSkew;
    return { own: Math.abs(own), corrected: Math.abs(own + this.#device.offset) };
  }

  happen(event: Happening): void {
    switch (event.type) {
      case 'wait':
        this.#true += event.micros;
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
        for (
          let left = this.#flight.length, at = event.seed;
          left > 0;
          left--, at = (at * 48_271 + 11) % 2_147_483_647
        ) {
          this.#deliver(at, at % 2 === 0, 'never');
        }
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
        this.#life++;
        this.#ordered = true;
        break;
      case 'gate-backup':
        this.#gate.backup();
        break;
      case 'gate-restore':
        this.#gate.restore(event.index);
        break;
      case 'gate-forget':
        this.#gate.forget();
        break;
    }
  }

  /**
   * An honest knock over a network that is good now: nothing before it is still on its way, 10 ms each way, nothing lost; a second of silence, then
   * the next try.
   */
  knock(most = 24): KnockOutcome {
    this.#flight = [];
    let silences = 0;
    let receipts = 0;
    for (let attempt = 1, tries = 0; tries < most; tries++) {
      const packet = this.#send('open', false, attempt);
      this.#true += 10_000;
      const receipt = this.#gate.receive(packet, HOME, this.#now(this.#gateSkew), 'never');
      this.#true += 10_000;
      if (receipt === undefined) {
        silences++;
        attempt++;
        this.#true += 1_000_000;
        continue;
      }
      this.#learn(packet, receipt);
      if (receipt.status === 'ok') return { opened: true, silences, receipts };
      receipts++;
      attempt = 1;
    }
    return { opened: false, silences, receipts };
  }

  #now(skew: number): UnixMicros {
    return Math.max(0, this.#true + skew) as UnixMicros;
  }

  #send(kind: Kind, observed: boolean, attempt: number): SimulatedPacket {
    const sent = this.#now(this.#deviceSkew);
    const { state, era, time, clock } = this.#rules.nextRequest(this.#device, sent, attempt);
    this.#device = state;
    if (era > state.era) this.#ordered = false;
    const stated = !observed && (kind === 'open' || kind === 'extend');
    const source: StatedSource = stated ? { type: 4, prefix: 32, address: HOME } : { type: 'observed' };
    const packet = {
      ...{ id: this.#sent.length, kind, source, era, time, sent },
      ...{ epoch: epochOf(clock), stateId: state.stateId, life: this.#life, ordered: this.#ordered },
    };
    this.#sent.push(packet);
    return packet;
  }

  #deliver(index: number, keep: boolean, crash: Crash): void {
    const at = index % Math.max(1, this.#flight.length);
    const item = this.#flight[at];
    if (item === undefined) return;
    if (!keep) this.#flight.splice(at, 1);
    const { packet } = item;
    if (item.receipt === undefined)
      this.#answer(packet, this.#gate.receive(packet, HOME, this.#now(this.#gateSkew), crash));
    else this.#learn(packet, item.receipt);
  }

  /** What the gate answers goes where the packet came from: to the thief, or to the device whose address the thief wrote. */
  #steal(index: number, spoofed: boolean, crash: Crash): void {
    const packet = this.#sent[index % Math.max(1, this.#sent.length)];
    if (packet === undefined) return;
    const before = this.#gate.row;
    const receipt = this.#gate.receive(packet, spoofed ? HOME : ELSEWHERE, this.#now(this.#gateSkew), crash);
    if (spoofed) this.#answer(packet, receipt);
    else if (packet.source.type !== 'observed' && this.#gate.row !== before) {
      this.#gate.broken.push('a packet from another address than it states was recorded');
    }
  }

  #answer(packet: SimulatedPacket, receipt: SimulatedReceipt | undefined): void {
    if (receipt !== undefined) this.#flight.push({ packet, receipt });
  }

  /** A receipt can be opened only by the life that sent the request. */
  #learn(packet: SimulatedPacket, receipt: SimulatedReceipt): void {
    if (packet.life !== this.#life) return;
    this.#device = this.#rules.learn(this.#device, receipt, packet.sent, this.#now(this.#deviceSkew), packet);
  }
}

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new TypeError(`not an address: ${text}`);
  return bytes;
}
