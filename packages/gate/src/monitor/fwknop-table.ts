import { concat, hmacSha256, toHex } from '@postern/protocol';
import type { Fwknop, FwknopStanza } from '../config/fwknop/model.ts';
import type { Source } from '../firewall/port.ts';
import type { CredentialFrame, CredentialPiece, MappedPrefix } from '../line/fwknop-codec.ts';
import { MOST_CREDENTIAL_SOURCES } from '../line/frame.ts';
import { CREDENTIAL_ID } from './fwknop-replay.ts';

/** Stanzas that share their keys: one credential to the sentry, which cannot tell them apart. */
export interface SharedCredential {
  /** Names the keys in the state: the same as long as they are, whatever the stanzas are called. 16 bytes. */
  readonly id: Uint8Array;
  /** In the order of the configuration. */
  readonly stanzas: readonly FwknopStanza[];
}

/** The credentials under one serial, as the sentry knows them. */
export class FwknopTable {
  readonly serial: number;
  readonly credentials: readonly SharedCredential[];
  readonly #pieces: readonly CredentialPiece[];

  constructor(serial: number, fwknop: Fwknop | undefined) {
    this.serial = serial;
    const groups = new Map<string, FwknopStanza[]>();
    for (const stanza of fwknop?.stanzas ?? []) {
      const id = toHex(idOf(stanza));
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [stanza]);
      else group.push(stanza);
    }
    const all = [...groups.values()].map((stanzas) => ({ id: idOf(stanzas[0]), stanzas }));
    // Whose packets an HMAC tells are tried first: those of the others are told by decrypting them, for GPG by a process.
    const [told = [], untold = []] = [true, false].map((has) =>
      all.filter(({ stanzas: [first] }) => (first?.hmac !== undefined) === has),
    );
    this.credentials = [...told, ...untold];
    const unrationed = fwknop?.budget === false;
    this.#pieces = this.credentials.map(({ stanzas }) => pieceOf(stanzas, unrationed));
  }

  /** What a sentry is sent to take this table into use. */
  frames(): CredentialFrame[] {
    const head = { type: 'credential', serial: this.serial, pieces: this.#pieces.length } as const;
    if (this.#pieces.length === 0) return [{ ...head, index: 0, piece: undefined }];
    return this.#pieces.map((piece, index) => ({ ...head, index, piece }));
  }
}

const TEXT = new TextEncoder();

function idOf(stanza: FwknopStanza | undefined): Uint8Array {
  if (stanza === undefined) throw new RangeError('a credential has a stanza');
  const { cipher, hmac } = stanza;
  const how = cipher.kind === 'gpg' ? [cipher.program, cipher.home] : [cipher.mode];
  const keys = cipher.kind === 'gpg' ? (cipher.passphrase ?? new Uint8Array(0)) : cipher.key;
  const what = JSON.stringify([cipher.kind, ...how, hmac?.digest ?? 'none', keys.length]);
  const material = concat(keys, hmac?.key ?? new Uint8Array(0));
  // A key of HMAC: what stands in the state must not be the hash of a passphrase that somebody could look up.
  return hmacSha256(TEXT.encode('postern-fwknop-credential'), TEXT.encode(what), material).subarray(0, CREDENTIAL_ID);
}

function pieceOf(stanzas: readonly FwknopStanza[], unrationed: boolean): CredentialPiece {
  const [first] = stanzas;
  if (first === undefined) throw new RangeError('a credential has a stanza');
  const { cipher, hmac } = first;
  const sources = unionOf(stanzas.flatMap((stanza) => stanza.sources));
  const credential =
    cipher.kind === 'gpg'
      ? ({ kind: 'gpg', hmac } as const)
      : ({ kind: 'symmetric', key: cipher.key, mode: cipher.mode, hmac } as const);
  return { credential, sources, unrationed };
}

/** Undefined where that is any source, or more than a frame takes: then the monitor alone looks at it. */
function unionOf(sources: readonly Source[]): readonly MappedPrefix[] | undefined {
  const prefixes = [...new Map(sources.map((it) => [`${toHex(it.address)}/${String(it.prefix)}`, it])).values()];
  const everybody = ([4, 6] as const).every((family) => prefixes.some((it) => it.family === family && it.prefix === 0));
  if (everybody || prefixes.length > MOST_CREDENTIAL_SOURCES) return undefined;
  return prefixes.map(({ family, address, prefix }) => ({ address, bits: family === 4 ? 96 + prefix : prefix }));
}
