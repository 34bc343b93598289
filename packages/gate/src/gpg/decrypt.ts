import type { GpgResult } from '../line/gpg-line.ts';
import { MOST_PLAINTEXT } from '../line/gpg-line.ts';
import { runGpg } from './run-gpg.ts';
import { readStatus } from './status.ts';

/** How messages of one credential are decrypted. */
export interface Decryption {
  /** Path of the program. */
  readonly program: string;
  /** Directory with the keyring, ours alone. */
  readonly home: string;
  /** Of the private key; undefined: it has none. */
  readonly passphrase: Uint8Array | undefined;
}

/** How long gpg may take for one message, in milliseconds. */
const TIME_LIMIT = 2_000;

/** Tag of a public-key encrypted session key packet (RFC 9580, section 5.1). */
const PKESK = 1;

/** Decrypts one message. Never throws: whatever goes wrong is an outcome. */
export async function decrypt(how: Decryption, ciphertext: Uint8Array): Promise<GpgResult> {
  // What is encrypted to a key begins so; for the rest gpg need not be started.
  if (tagOf(ciphertext[0] ?? 0) !== PKESK) return nothing('refused');
  const ran = await runGpg({
    ...how,
    command: ['--max-output', String(MOST_PLAINTEXT), '--decrypt'],
    input: ciphertext,
    mostOutput: MOST_PLAINTEXT,
    timeLimit: TIME_LIMIT,
  });
  if (ran.how === 'time') return nothing('time');
  // The exit code says less than the status: a signature of an unknown key is a failure to it.
  if (ran.how !== 'ended' || ran.code === undefined || ran.output.length === 0) return nothing('refused');
  const signatures = readStatus(ran.status.toString('latin1'));
  return signatures.ok ? { outcome: 'ok', plaintext: ran.output, signatures: signatures.value } : nothing('refused');
}

/** An outcome without a text. */
export function nothing(outcome: Exclude<GpgResult['outcome'], 'ok'>): GpgResult {
  return { outcome, plaintext: new Uint8Array(0), signatures: [] };
}

/** The tag of a packet by its first byte, in both formats (RFC 9580, section 4.2); undefined if none begins so. */
function tagOf(first: number): number | undefined {
  if ((first & 0x80) === 0) return undefined;
  return (first & 0x40) === 0 ? (first >> 2) & 15 : first & 63;
}
