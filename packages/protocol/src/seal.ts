import { ascii, concat, sized } from './bytes.ts';
import { sha256 } from './crypto.ts';
import type { Signer } from './device-key.ts';
import { mask, macOf, PACKET_SIZE } from './envelope.ts';
import type { EpochKeys } from './epoch.ts';
import { encapsulateTo, type StaticPublic } from './gate-static.ts';
import { halfSipHash24 } from './halfsiphash.ts';
import { contextOf, type Encapsulated, exportSecret, seal } from './hpke.ts';
import { ENC_SIZE, PACKET, STATEMENT } from './layout.ts';
import type { Random } from './random.ts';
import { secret } from './secret.ts';
import { encodeStatement, type Statement } from './statement.ts';
import { signedMessage } from './verify.ts';

/** What a request is sealed from. */
export interface SealInput {
  /** Whom it is for; its suite is the packet's. */
  readonly gate: StaticPublic;
  /** Keys of the sender's epoch under the gate key. */
  readonly keys: EpochKeys;
  readonly statement: Statement;
  /** The device's key, or with `enrol` the invite's. */
  readonly signer: Signer;
  readonly random: Random;
}

/** A packet that is ready to be sent, and what its receipt is opened with. */
export interface SealedRequest {
  /** 352 bytes for suite 1, 1,372 for suite 2. */
  readonly packet: Uint8Array;
  /** The packet's last 16 bytes. */
  readonly mac: Uint8Array;
  /** 32 bytes. Secret. */
  readonly receiptKey: Uint8Array;
  /** Of an `enrol`: the key of the new device's keyed knocks, 32 bytes. Secret. */
  readonly knockKey: Uint8Array | undefined;
}

/** The label under which the receipt's key is exported from HPKE. */
export const RECEIPT_LABEL: Uint8Array = ascii('postern-receipt-v1');

/** The label under which an `enrol` request exports the key of the device's keyed knocks. */
export const KNOCK_LABEL: Uint8Array = ascii('postern-knock-v1');

/**
 * Signs a statement and seals it to a gate.
 *
 * @throws RangeError or TypeError if the statement is not canonical, or the gate's key is of small order
 */
export function sealRequest(input: SealInput): SealedRequest {
  const nonce = sized(input.random(PACKET.nonceSize), PACKET.nonceSize, 'nonce');
  return sealEncapsulated(input, nonce, encapsulateTo(input.gate, input.random));
}

/** {@link sealRequest} with a nonce and an encapsulated key made elsewhere: for the test vectors, whose randomness is known. */
export function sealEncapsulated(
  { gate, keys, statement, signer }: Omit<SealInput, 'random'>,
  nonce: Uint8Array,
  { enc, sharedSecret }: Encapsulated,
): SealedRequest {
  const { suite } = gate;
  const size = PACKET_SIZE[suite];
  const packet = new Uint8Array(size);
  packet.set(nonce, PACKET.nonce);
  new DataView(packet.buffer).setUint32(PACKET.tag, halfSipHash24(keys.tag, nonce), true);

  const plaintext = new Uint8Array(size - PACKET.enc - ENC_SIZE[suite] - PACKET.sealTagSize - PACKET.macSize);
  plaintext.set(encodeStatement(statement));
  const message = signedMessage(suite, gate.hash, sha256(enc), nonce, plaintext);
  plaintext.set(sized(signer.sign(message), 64, 'signature'), STATEMENT.signature);

  const context = contextOf(gate.schedule, sharedSecret);
  const sealed = seal(context, packet.subarray(PACKET.nonce, PACKET.suite), plaintext);
  packet.set(mask(keys.mask, nonce, concat(Uint8Array.of(suite), enc, sealed)), PACKET.suite);
  const mac = macOf(packet, keys.mac);
  packet.set(mac, size - PACKET.macSize);
  return {
    packet,
    mac,
    receiptKey: secret(exportSecret(context, RECEIPT_LABEL, 32)),
    knockKey: statement.kind === 'enrol' ? secret(exportSecret(context, KNOCK_LABEL, 32)) : undefined,
  };
}
