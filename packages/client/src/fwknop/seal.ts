/** Makes the packet, by the settings. */
import {
  FWKNOP_DIGESTS,
  FWKNOP_MODES,
  type FwknopDigest,
  fwknopGpgPacket,
  FwknopKeyring,
  type FwknopMessage,
  type FwknopMode,
  fwknopPlaintext,
  sealFwknop,
} from '@postern/protocol/fwknop';
import type { Random } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { type KeyInput, readHmacKey, readKeys, usesHmac } from './keys.ts';
import { checkSize, HMAC_CHARACTERS } from './message.ts';
import { choiceOf, switchOf } from './read-setting.ts';
import type { Settings } from './variables.ts';

/** How packets are sealed. */
export interface Cipher {
  readonly digest: FwknopDigest;
  /** `gpg` for the gpg program. */
  readonly mode: FwknopMode | 'gpg';
  /** Of the HMAC; undefined for none. */
  readonly hmac: FwknopDigest | undefined;
}

/** A packet, and what is in it. */
export interface Sealed {
  /** ASCII, exactly what is sent. */
  readonly packet: Uint8Array;
  /** Read out of the packet again; of gpg, which only the server can open, what went in. */
  readonly message: FwknopMessage;
  /** fwknop's own server cannot read it. */
  readonly forPosterndOnly: boolean;
}

/** Digests and mode. @throws PersonError for what is unknown, or does not go together */
export function cipherOf(settings: Settings): Cipher {
  const digest = choiceOf(settings, 'DIGEST_TYPE', FWKNOP_DIGESTS) ?? 'sha256';
  const mode = choiceOf(settings, 'ENCRYPTION_MODE', [...FWKNOP_MODES, 'asymmetric']) ?? 'cbc';
  const hmac = usesHmac(settings) ? hmacDigestOf(settings) : undefined;
  if (switchOf(settings, 'USE_GPG') || mode === 'asymmetric') return { digest, mode: 'gpg', hmac };
  if (mode === 'legacy' && hmac !== undefined) {
    throw new PersonError('the legacy mode has no HMAC', {
      hint: 'fwknop 2.5 and newer, and posternd, take CBC with an HMAC',
      exitCode: EXIT.usage,
    });
  }
  return { digest, mode, hmac };
}

/** Digest of the HMAC, whether one is used or not. */
export function hmacDigestOf(settings: Settings): FwknopDigest {
  return choiceOf(settings, 'HMAC_DIGEST_TYPE', FWKNOP_DIGESTS) ?? 'sha256';
}

/**
 * Seals a message; asks for keys that nobody wrote.
 *
 * @throws PersonError for keys that are wrong, and a packet that a server would drop
 */
export async function sealMessage(
  message: FwknopMessage,
  { digest, mode, hmac }: Cipher,
  settings: Settings,
  { input, random }: { readonly input: KeyInput; readonly random: Random },
): Promise<Sealed> {
  const hmacSize = hmac === undefined ? 0 : HMAC_CHARACTERS[hmac];
  if (mode === 'gpg') {
    const { gpgEncrypt, gpgOrder } = await import('./gpg.ts');
    const authentication = hmac === undefined ? undefined : { digest: hmac, key: readHmacKey(settings, input) };
    const encrypted = await gpgEncrypt(fwknopPlaintext(message, digest), gpgOrder(settings, input.ask));
    checkSize(Math.ceil((encrypted.length * 4) / 3) - 2 + hmacSize, 'gpg', hmacSize);
    return { packet: fwknopGpgPacket(encrypted, authentication), message, forPosterndOnly: !beginsAsTheirs(encrypted) };
  }
  checkSize(symmetricSize(fwknopPlaintext(message, digest).length) + hmacSize, message.kind, hmacSize);
  const keys = readKeys(settings, input);
  const authentication = hmac === undefined || keys.hmac === undefined ? undefined : { digest: hmac, key: keys.hmac };
  const hmacPart = authentication === undefined ? {} : { hmac: authentication };
  const packet = sealFwknop({ message, digest, mode, key: keys.key, salt: random(8), ...hmacPart });
  const credential = { kind: 'symmetric', key: keys.key, mode, hmac: authentication } as const;
  const opened = new FwknopKeyring([credential]).open(packet);
  if (!opened.ok || opened.value.kind !== 'message') throw new Error('a packet that cannot be opened was made');
  return { packet, message: opened.value.message, forPosterndOnly: false };
}

/** Characters of a packet without HMAC, by the bytes that are encrypted: padded to whole blocks, after 16 bytes of salt, in base64 without its prefix. */
function symmetricSize(plaintext: number): number {
  return Math.ceil(((16 + 16 * (Math.floor(plaintext / 16) + 1)) * 4) / 3) - 10;
}

/** fwknopd puts `hQ` in front of every packet of gpg, which is right for a first packet of up to 4,095 bytes with a length of two bytes (RFC 4880, section 4.2). */
function beginsAsTheirs(openpgp: Uint8Array): boolean {
  return openpgp[0] === 0x85 && (openpgp[1] ?? 0) < 0x10;
}
