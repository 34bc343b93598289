import { ascii, concat, copyOf, sized } from './bytes.ts';
import { importX25519Private, sha256, type X25519Private, x25519PublicOf } from './crypto.ts';
import {
  type Context,
  contextOf,
  dhKemDecapsulate,
  dhKemEncapsulate,
  type Encapsulated,
  type Schedule,
  schedule,
} from './hpke.ts';
import { ENC_SIZE, type Suite } from './layout.ts';
import type { Random } from './random.ts';
import {
  importXWingPrivate,
  importXWingPublic,
  XWING,
  xWingDecapsulate,
  xWingEncapsulate,
  type XWingPrivate,
  type XWingPublic,
} from './xwing.ts';

/** Size of a static public key by suite, in bytes, as HPKE serialises it. */
export const STATIC_SIZE: Readonly<Record<Suite, number>> = { 1: 32, 2: XWING.publicKey };

interface StaticCommon {
  /** The public key as HPKE serialises it: 32 or 1,216 bytes. */
  readonly bytes: Uint8Array;
  /** SHA-256 of {@link StaticCommon.bytes}. */
  readonly hash: Uint8Array;
  /** The first 16 bytes of that hash: names the gate inside a statement. */
  readonly audience: Uint8Array;
  readonly schedule: Schedule;
}

/** A gate's static public key of one suite, ready to seal to. */
export type StaticPublic =
  (StaticCommon & { readonly suite: 1 }) | (StaticCommon & { readonly suite: 2; readonly key: XWingPublic });

/** A gate's static private key of one suite; holds key objects only, so that printing it shows no secret. */
export type StaticPrivate =
  | { readonly suite: 1; readonly public: StaticPublic; readonly key: X25519Private }
  | { readonly suite: 2; readonly public: StaticPublic; readonly key: XWingPrivate };

/**
 * The static public key of `suite`.
 *
 * @throws RangeError if it is not 32 or 1,216 bytes by suite, or its ML-KEM half is not valid
 */
export function importStaticPublic(suite: Suite, publicKey: Uint8Array): StaticPublic {
  const bytes = copyOf(sized(publicKey, STATIC_SIZE[suite], `static key of suite ${suite}`));
  const hash = sha256(bytes);
  const audience = hash.subarray(0, 16);
  const info = concat(ascii('postern-spa-v1'), Uint8Array.of(suite), audience);
  return suite === 1
    ? { suite, bytes, hash, audience, schedule: schedule(0x0020, info) }
    : { suite, bytes, hash, audience, schedule: schedule(0x647a, info), key: importXWingPublic(bytes) };
}

/** The static private key of `suite`: an X25519 private key or an X-Wing seed. @throws RangeError if it is not 32 bytes */
export function importStaticPrivate(suite: Suite, secret: Uint8Array): StaticPrivate {
  if (suite === 1) {
    const key = importX25519Private(secret);
    return { suite, public: importStaticPublic(suite, x25519PublicOf(key)), key };
  }
  const key = importXWingPrivate(secret);
  return { suite, public: importStaticPublic(suite, key.publicBytes), key };
}

/** A fresh shared secret for the holder of `gate`'s private key. @throws RangeError if the key is of small order */
export function encapsulateTo(gate: StaticPublic, random: Random): Encapsulated {
  return gate.suite === 1 ? dhKemEncapsulate(gate.bytes, random) : xWingEncapsulate(gate.key, random);
}

/** The HPKE context that `enc` opens for us, or undefined if it is of another size or of small order. */
export function receive(gate: StaticPrivate, enc: Uint8Array): Context | undefined {
  if (enc.length !== ENC_SIZE[gate.suite]) return undefined;
  const secret =
    gate.suite === 1 ? dhKemDecapsulate(gate.key, gate.public.bytes, enc) : xWingDecapsulate(gate.key, enc);
  return secret === undefined ? undefined : contextOf(gate.public.schedule, secret);
}
