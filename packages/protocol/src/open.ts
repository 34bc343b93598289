/** The sentry's side of a packet, step by step, cheapest first. Every function takes any bytes and never throws for them. */
import { copyOf } from './bytes.ts';
import { equal, sha256 } from './crypto.ts';
import { isPacketSize, macOf, mask, PACKET_SIZE } from './envelope.ts';
import { receive, type StaticPrivate } from './gate-static.ts';
import { halfSipHash24 } from './halfsiphash.ts';
import { exportSecret, open, type Context } from './hpke.ts';
import { ENC_SIZE, PACKET, STATEMENT, type Suite } from './layout.ts';
import type { Refusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';
import { KNOCK_LABEL, RECEIPT_LABEL } from './seal.ts';
import { secret } from './secret.ts';
import { decodeStatement, type Statement } from './statement.ts';

/** A gate's static private keys by suite. */
export interface Statics {
  readonly 1: StaticPrivate;
  readonly 2: StaticPrivate;
}

/** A packet without its mask. Nothing of it is authentic beyond the mac. */
export interface Unmasked {
  readonly suite: Suite;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
  /** `nonce ‖ tag`, 12 bytes. */
  readonly aad: Uint8Array;
  readonly enc: Uint8Array;
  readonly sealed: Uint8Array;
  /** 16 bytes. */
  readonly mac: Uint8Array;
}

/** A request that somebody sealed to this gate. Whether a device signed it is still open. A class, as {@link Context} is. */
export class Unsealed {
  readonly suite: Suite;
  readonly statement: Statement;
  /** Statement and signature, 183 bytes. */
  readonly plaintext: Uint8Array;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
  /** SHA-256 of the encapsulated key. */
  readonly encHash: Uint8Array;
  /** 16 bytes. */
  readonly mac: Uint8Array;
  /** Of an `enrol`: the key of the new device's keyed knocks, 32 bytes. Secret. */
  readonly knockKey: Uint8Array | undefined;
  readonly #context: Context;

  constructor(
    { suite, nonce, mac }: Pick<Unmasked, 'suite' | 'nonce' | 'mac'>,
    { statement, plaintext, encHash }: Pick<Unsealed, 'statement' | 'plaintext' | 'encHash'>,
    context: Context,
  ) {
    this.suite = suite;
    this.statement = statement;
    this.plaintext = plaintext;
    this.nonce = nonce;
    this.encHash = encHash;
    this.mac = mac;
    this.knockKey = statement.kind === 'enrol' ? secret(exportSecret(context, KNOCK_LABEL, 32)) : undefined;
    this.#context = context;
  }

  /** 32 bytes. Secret. Derived when it is asked for, each time anew: a gate does so when the request is on its way. */
  get receiptKey(): Uint8Array {
    return secret(exportSecret(this.#context, RECEIPT_LABEL, 32));
  }
}

/** Whether the packet has one of the two sizes. */
export function lengthMatches(packet: Uint8Array): boolean {
  return isPacketSize(packet.length);
}

/** Whether the packet's tag is that of its nonce under an epoch's tag key (8 bytes). Shows no more than that the sender is no blind one. */
export function tagMatches(packet: Uint8Array, tagKey: Uint8Array): boolean {
  const tag =
    (packet[PACKET.tag] ?? 0) |
    ((packet[PACKET.tag + 1] ?? 0) << 8) |
    ((packet[PACKET.tag + 2] ?? 0) << 16) |
    ((packet[PACKET.tag + 3] ?? 0) << 24);
  return isPacketSize(packet.length) && halfSipHash24(tagKey, packet, PACKET.nonceSize) === tag >>> 0;
}

/** Whether the packet's mac verifies under an epoch's mac key (32 bytes). */
export function macMatches(packet: Uint8Array, macKey: Uint8Array): boolean {
  return isPacketSize(packet.length) && equal(macOf(packet, macKey), packet.subarray(packet.length - PACKET.macSize));
}

/** Takes the mask off a packet whose mac verified: `length`, `suite-unknown` or `suite-length` if it has no form of ours. */
export function unmaskRequest(packet: Uint8Array, maskKey: Uint8Array): Result<Unmasked, Refusal> {
  if (!isPacketSize(packet.length)) return refuse('length');
  const nonce = copyOf(packet, PACKET.nonce, PACKET.nonce + PACKET.nonceSize);
  const end = packet.length - PACKET.macSize;
  const body = mask(maskKey, nonce, packet.subarray(PACKET.suite, end));
  const suite = body[0];
  if (suite !== 1 && suite !== 2) return refuse('suite-unknown');
  if (packet.length !== PACKET_SIZE[suite]) return refuse('suite-length');
  return accept({
    suite,
    nonce,
    aad: copyOf(packet, PACKET.nonce, PACKET.suite),
    enc: body.subarray(1, 1 + ENC_SIZE[suite]),
    sealed: body.subarray(1 + ENC_SIZE[suite]),
    mac: copyOf(packet, end),
  });
}

/** Decrypts and decodes an unmasked packet: the public-key work. Refuses `unseal`, a reason of `decodeStatement`, or `audience`. */
export function unsealUnmasked(unmasked: Unmasked, statics: Statics): Result<Unsealed, Refusal> {
  const { suite, aad, enc, sealed } = unmasked;
  const gate = statics[suite];
  const context = receive(gate, enc);
  if (context === undefined) return refuse('unseal');
  const plaintext = open(context, aad, sealed);
  if (plaintext === undefined) return refuse('unseal');
  const decoded = decodeStatement(plaintext);
  if (!decoded.ok) return decoded;
  const statement = decoded.value;
  if (!equal(statement.audience, gate.public.audience)) return refuse('audience');
  const opened = { statement, plaintext: plaintext.subarray(0, STATEMENT.end), encHash: sha256(enc) };
  return accept(new Unsealed(unmasked, opened, context));
}

/** {@link unmaskRequest}, then {@link unsealUnmasked}. */
export function unsealRequest(packet: Uint8Array, maskKey: Uint8Array, statics: Statics): Result<Unsealed, Refusal> {
  const unmasked = unmaskRequest(packet, maskKey);
  return unmasked.ok ? unsealUnmasked(unmasked.value, statics) : unmasked;
}
