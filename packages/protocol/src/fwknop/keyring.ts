/** The keys of a server, tried on a packet one after the other: nothing in it says whose it is. */
import { copyOf } from '../bytes.ts';
import { sha256 } from '../crypto.ts';
import { accept, refuse, type Result } from '../result.ts';
import { type FwknopMode, mustBeKey, SALT_SIZE } from './cipher.ts';
import type { FwknopDigest } from './digest.ts';
import type { FwknopMessage } from './message.ts';
import type { HmacTrials } from './hmac-trials.ts';
import { type Authenticator, authenticatorOf, Packet, type PacketKind, Trials, trialsTogether } from './packet.ts';
import type { FwknopRefusal } from './refusal.ts';
import { type FwknopHmac, SALTED } from './seal.ts';
import { fwknopShape } from './shape.ts';
import { unseal } from './unseal.ts';

/** What a packet is opened with. Without an HMAC anybody may change what others sent: only for those who asked for it. */
export type FwknopCredential =
  | {
      readonly kind: 'symmetric';
      /** 1 to 32 bytes. */
      readonly key: Uint8Array;
      readonly mode: FwknopMode;
      readonly hmac: FwknopHmac | undefined;
    }
  | { readonly kind: 'gpg'; readonly hmac: FwknopHmac | undefined };

/** What was in a packet, and which credential opened it, by its index. */
export type FwknopOpened =
  | {
      readonly kind: 'message';
      readonly credential: number;
      readonly message: FwknopMessage;
      /** Of the digest inside. */
      readonly digest: FwknopDigest;
      /** SHA-256 of salt and ciphertext: 32 bytes, the same for every text that decodes to the same. */
      readonly replayId: Uint8Array;
    }
  | {
      /** Only the HMAC was looked at; without one, anybody may have sent it. */
      readonly kind: 'gpg';
      readonly credential: number;
      /** The binary OpenPGP message. */
      readonly ciphertext: Uint8Array;
      /** SHA-256 of it. */
      readonly replayId: Uint8Array;
    };

/** Which credentials are tried. */
export interface FwknopOpenOptions {
  /** Index of the one to try before all others. */
  readonly first?: number;
  /** Whether the credential with an index may be tried; all may if this is left out. */
  readonly allowed?: (index: number) => boolean;
}

interface Entry {
  readonly credential: FwknopCredential;
  readonly authenticator: Authenticator | undefined;
}

/** HMACs that are computed before the first of them that matches is taken. */
const TOGETHER = 64;

/** Opens packets. Prints as nothing of its keys. */
export class FwknopKeyring {
  readonly #entries: readonly Entry[];
  readonly #trials = new Trials();
  readonly #together: HmacTrials | undefined;

  /** @throws RangeError for a key of a size that fwknop does not know */
  constructor(credentials: readonly FwknopCredential[]) {
    this.#entries = credentials.map((credential) => {
      if (credential.kind === 'symmetric') mustBeKey(credential.key);
      return { credential, authenticator: credential.hmac && authenticatorOf(credential.hmac) };
    });
    this.#together = trialsTogether(this.#entries.map(({ authenticator }) => authenticator));
  }

  /** Whether HMAC-SHA256 of many keys are computed together, in a third of the time or less. */
  get together(): boolean {
    return this.#together !== undefined;
  }

  /**
   * Tries the credentials in their order. The HMAC is over the text, so it is looked at before anything is decoded or decrypted. Total.
   *
   * @returns the first that opens the packet; otherwise why it is no packet, why the first whose HMAC verified does not open it, or
   * `no-key`
   */
  open(payload: Uint8Array, { first, allowed }: FwknopOpenOptions = {}): Result<FwknopOpened, FwknopRefusal> {
    const shape = fwknopShape(payload);
    if (!shape.ok) return shape;
    const packet = new Packet(payload, this.#trials);
    let refused: FwknopRefusal = 'no-key';
    const attempt = (indexes: readonly number[]): Result<FwknopOpened, FwknopRefusal> | undefined => {
      for (const index of this.#hopeful(packet, indexes)) {
        const entry = this.#entries[index];
        if (entry === undefined) continue;
        const opened = openWith(packet, entry, index);
        if (opened.ok) return opened;
        if (refused === 'no-key') refused = opened.reason;
      }
      return undefined;
    };
    const early =
      first !== undefined && first in this.#entries && allowed?.(first) !== false ? attempt([first]) : undefined;
    if (early !== undefined) return early;
    let indexes: number[] = [];
    for (let index = 0; index < this.#entries.length; index++) {
      if (index !== first && allowed?.(index) !== false) indexes.push(index);
      if (indexes.length < TOGETHER && index < this.#entries.length - 1) continue;
      const opened = attempt(indexes);
      if (opened !== undefined) return opened;
      indexes = [];
    }
    return refuse(refused);
  }

  /** Leaves out what an HMAC says at once is in vain. Ascending, as `indexes` are. */
  #hopeful(packet: Packet, indexes: readonly number[]): readonly number[] {
    if (this.#together === undefined) return indexes;
    const hopeful: number[] = [];
    const selected: Readonly<Record<PacketKind, number[]>> = { symmetric: [], gpg: [] };
    for (const index of indexes) {
      const entry = this.#entries[index];
      if (entry?.authenticator?.digest === 'sha256') selected[entry.credential.kind].push(index);
      else hopeful.push(index);
    }
    hopeful.push(...packet.hopeful('symmetric', this.#together, selected.symmetric));
    hopeful.push(...packet.hopeful('gpg', this.#together, selected.gpg));
    return hopeful.sort((a, b) => a - b);
  }
}

function openWith(
  packet: Packet,
  { credential, authenticator }: Entry,
  index: number,
): Result<FwknopOpened, FwknopRefusal> {
  const { kind } = credential;
  const reading = authenticator === undefined ? packet.plain(kind) : packet.verified(kind, authenticator);
  if (reading === undefined) return refuse('no-key');
  const opened = reading.bytes === undefined ? refuse('base64') : openBytes(reading.bytes, credential, index);
  // Who did not authenticate learns nothing of how far it came.
  return opened.ok || authenticator !== undefined ? opened : refuse('no-key');
}

function openBytes(
  bytes: Uint8Array,
  credential: FwknopCredential,
  index: number,
): Result<FwknopOpened, FwknopRefusal> {
  if (credential.kind === 'gpg') {
    return accept({ kind: 'gpg', credential: index, ciphertext: copyOf(bytes), replayId: sha256(bytes) });
  }
  const sealed = bytes.subarray(SALTED.length);
  const opened = unseal(credential.mode, credential.key, sealed.subarray(0, SALT_SIZE), sealed.subarray(SALT_SIZE));
  return opened.ok ? accept({ kind: 'message', credential: index, ...opened.value, replayId: sha256(sealed) }) : opened;
}
