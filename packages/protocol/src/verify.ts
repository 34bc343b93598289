import type { Verified } from './brand.ts';
import { ascii, concat, sized } from './bytes.ts';
import { equal } from './crypto.ts';
import type { Verifier } from './device-key.ts';
import { STATEMENT, type Suite } from './layout.ts';
import { accept, refuse, type Result } from './result.ts';
import { encodeStatement, type Statement } from './statement.ts';

/** What the monitor verifies: everything that the device signed, and by whom it must be signed. */
export interface VerifyInput {
  readonly suite: Suite;
  /** SHA-256 of the gate's static key of that suite, 32 bytes. */
  readonly staticHash: Uint8Array;
  /** SHA-256 of the packet's encapsulated key, 32 bytes. */
  readonly encHash: Uint8Array;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
  /** The plaintext's first 183 bytes or more. */
  readonly plaintext: Uint8Array;
  /** What `decodeStatement` made of that plaintext. */
  readonly statement: Statement;
  /** The key of the device, or with `enrol` of the invite, that the statement names. */
  readonly verifier: Verifier;
}

const LABEL = ascii('postern-spa-v1\0');

/**
 * Verifies a statement's signature; nothing else makes a `Verified`. Refused as `signature` too is a statement that is not the one
 * in `plaintext`, or that names another device than the verifier's.
 *
 * @throws RangeError if a hash, the nonce or the plaintext is of the wrong size: the caller took them from a fixed frame
 */
export function verifyStatement(input: VerifyInput): Result<Verified<Statement>, 'signature'> {
  const { suite, staticHash, encHash, nonce, plaintext, statement, verifier } = input;
  const message = signedMessage(suite, staticHash, encHash, nonce, plaintext);
  const stated = encodeStatement(statement);
  if (statement.device !== verifier.device || !equal(stated, plaintext.subarray(0, STATEMENT.signed))) {
    return refuse('signature');
  }
  const signature = plaintext.subarray(STATEMENT.signature, STATEMENT.end);
  return verifier.verifies(message, signature) ? accept(statement as Verified<Statement>) : refuse('signature');
}

/**
 * What a device signs: `"postern-spa-v1\0" ‖ suite ‖ SHA-256(static key) ‖ SHA-256(enc) ‖ nonce ‖ plaintext 0..119`, 207 bytes.
 *
 * @throws RangeError if a part is of the wrong size
 */
export function signedMessage(
  suite: Suite,
  staticHash: Uint8Array,
  encHash: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  return concat(
    LABEL,
    Uint8Array.of(suite),
    sized(staticHash, 32, 'hash of the static key'),
    sized(encHash, 32, 'hash of the encapsulated key'),
    sized(nonce, 8, 'nonce'),
    sized(plaintext.subarray(0, STATEMENT.signed), STATEMENT.signed, 'statement'),
  );
}
