/** From a packet of fwknop's format to a frame for the monitor, and what is counted on the way. */
import { sha256, type UnixMicros } from '@postern/protocol';
import {
  decodeFwknopHttp,
  decodeFwknopPlaintext,
  fwknopMessageType,
  type FwknopMessage,
} from '@postern/protocol/fwknop';
import type { CredentialFrame, FwknopFrame, FwknopSigner, TallyFrame } from '../line/fwknop-codec.ts';
import { FWKNOP_COUNTERS, FWKNOP_MOST, type FwknopCounter } from '../line/frame.ts';
import { MOST_CIPHERTEXT, type GpgAnswer, type GpgSignature } from '../line/gpg-line.ts';
import { FwknopEar, type Way } from './fwknop-ear.ts';

/** What it stands on. */
export interface FwknopSink {
  /** False: the line is full, and the frame is lost. */
  readonly send: (frame: FwknopFrame | TallyFrame) => boolean;
  /** Asks the GPG helper; the answer comes to {@link FwknopForwarder.answer}. False: it has too much to do. Undefined: there is none. */
  readonly gpg?:
    ((credential: number, ciphertext: Uint8Array, asked: GpgAsked, now: UnixMicros) => boolean) | undefined;
}

/** A packet whose message gpg is asked for. */
export interface GpgAsked {
  readonly payload: Uint8Array;
  readonly way: FwknopWay;
  /** Serial of the credentials at that time. */
  readonly serial: number;
}

/** Where a packet came from, where it came to, and by which IP protocol. */
export interface FwknopWay extends Way {
  readonly transport: number;
}

/** Packets that come by TCP may be written as a request of HTTP. */
const TCP = 6;

/** At least this long between two tallies, in microseconds. */
const SPACING = 1_000_000;

/** Hears packets of fwknop's format, and tells what they ask for. */
export class FwknopForwarder {
  readonly #sink: FwknopSink;
  readonly #ear = new FwknopEar();
  readonly #counters = new Uint32Array(FWKNOP_COUNTERS.length);
  #changed = false;
  #told = 0;

  constructor(sink: FwknopSink) {
    this.#sink = sink;
  }

  /** Whether there is a credential at all. */
  get listens(): boolean {
    return this.#ear.listens;
  }

  /** Takes a part of the table of credentials. */
  obey(frame: CredentialFrame): void {
    this.#ear.obey(frame);
  }

  /** Looks at one payload, which is not kept; undefined: something came that has not even the form. Returns what it was counted as. */
  hear(payload: Uint8Array | undefined, way: FwknopWay, now: UnixMicros): FwknopCounter {
    const text = payload !== undefined && way.transport === TCP ? (decodeFwknopHttp(payload) ?? payload) : payload;
    const counted = text === undefined ? 'form' : this.#hear(text, way, now);
    this.#count(counted);
    return counted;
  }

  /** What the GPG helper made of a packet. */
  answer({ outcome, credential, plaintext, signatures }: GpgAnswer, asked: GpgAsked, now: UnixMicros): void {
    const { payload, way, serial } = asked;
    if (serial !== this.#ear.serial) {
      this.#count('gpg-refused');
      return;
    }
    if (outcome === 'busy' || outcome === 'time') {
      this.#count('gpg-busy');
      return;
    }
    const decoded = outcome === 'ok' ? decodeFwknopPlaintext(plaintext) : undefined;
    // Nothing tells beforehand whose key a message is for.
    if (decoded?.ok !== true) this.#count(this.#hear(payload, way, now, credential) === 'gpg' ? 'gpg' : 'gpg-refused');
    // What is around the text can be written in other ways without any key; the text itself is what must not open twice.
    else this.#count(this.#forward(credential, sha256(plaintext), decoded.value.message, signersOf(signatures), way));
  }

  #hear(payload: Uint8Array, way: FwknopWay, now: UnixMicros, after?: number): FwknopCounter {
    const opened = this.#ear.open(payload, way, now, after);
    if (!opened.ok) return opened.reason;
    const { value } = opened;
    if (value.kind === 'message') return this.#forward(value.credential, value.replayId, value.message, [], way);
    const { credential, ciphertext } = value;
    if (ciphertext.length > MOST_CIPHERTEXT) return 'field';
    const kept = { ...way, source: way.source.slice(), destination: way.destination.slice() };
    // A Buffer's `slice` would be a view of what is read next.
    const asked = { payload: new Uint8Array(payload), way: kept, serial: this.#ear.serial };
    if (this.#sink.gpg === undefined) return 'gpg-refused';
    return this.#sink.gpg(credential, ciphertext, asked, now) ? 'gpg' : 'gpg-busy';
  }

  #forward(
    credential: number,
    replayId: Uint8Array,
    message: FwknopMessage,
    signers: readonly FwknopSigner[],
    way: FwknopWay,
  ): FwknopCounter {
    const frame = frameOf({ credential, serial: this.#ear.serial, replayId, signers, way }, message);
    if (frame === undefined) return 'field';
    return this.#sink.send(frame) ? 'opened' : 'busy';
  }

  #count(what: FwknopCounter): void {
    const index = FWKNOP_COUNTERS.indexOf(what);
    this.#counters[index] = (this.#counters[index] ?? 0) + 1;
    this.#changed = true;
  }

  /** Tells the counters when that is due; returns how long to wait for the next time, in milliseconds. */
  rest(now: UnixMicros): number {
    if (!this.#changed) return Infinity;
    const since = Math.abs(now - this.#told);
    if (since < SPACING) return (SPACING - since) / 1000;
    this.#told = now;
    if (this.#sink.send({ type: 'tally', counters: this.#counters })) this.#changed = false;
    return this.#changed ? SPACING / 1000 : Infinity;
  }
}

/** Who is named by a signature: the key that made it, often a subkey, and its primary key. */
function signersOf(signatures: readonly GpgSignature[]): FwknopSigner[] {
  return signatures
    .flatMap(({ verified, fingerprint, primary }) =>
      [fingerprint, primary].flatMap((it) => (it === undefined ? [] : [{ fingerprint: it, good: verified }])),
    )
    .slice(0, FWKNOP_MOST.signers);
}

/** What a command may be on the line. */
const COMMAND = new RegExp(`^[ -~]{1,${String(FWKNOP_MOST.command)}}$`);

/** Undefined for a request that is longer than the line takes, or a command that is not printable ASCII. */
function frameOf(
  from: Pick<FwknopFrame, 'credential' | 'serial' | 'replayId' | 'signers'> & { readonly way: FwknopWay },
  message: FwknopMessage,
): FwknopFrame | undefined {
  const { way, ...rest } = from;
  const { family, transport } = way;
  const isCommand = message.kind === 'command';
  const ports = isCommand ? [] : message.ports;
  const command = isCommand ? message.command : undefined;
  if (ports.length > FWKNOP_MOST.ports || (command !== undefined && !COMMAND.test(command))) return undefined;
  return {
    type: 'fwknop',
    ...rest,
    ...{ family, transport, ports, command },
    message: fwknopMessageType(message),
    source: way.source.slice(),
    destination: way.destination.slice(),
    time: message.time,
    timeout: isCommand ? 0 : message.timeout,
    asked: message.source,
    user: message.user,
    nat: message.kind === 'nat-access' || message.kind === 'local-nat-access' ? message.nat : undefined,
  };
}
