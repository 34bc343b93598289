import type { Result } from '@postern/protocol';
import { type GpgSignature, MOST_SIGNATURES } from '../line/gpg-line.ts';

const PREFIX = '[GNUPG:] ';

/** Keywords after which nothing that was written is to be believed. */
const FATAL: ReadonlySet<string> = new Set([
  ...['NODATA', 'UNEXPECTED', 'BADARMOR', 'BADMDC', 'DECRYPTION_FAILED', 'FILE_ERROR'],
  // A passphrase opens it as well: with one that is empty, everybody's.
  'NEED_PASSPHRASE_SYM',
]);

/** Keywords that say how a signature is; all but the first: it does not count. */
const VERDICTS: ReadonlySet<string> = new Set(['GOODSIG', 'EXPSIG', 'EXPKEYSIG', 'REVKEYSIG', 'BADSIG', 'ERRSIG']);

/** One signature while its lines come. */
interface Group {
  verdict: string | undefined;
  valid: boolean;
  fingerprint: Uint8Array | undefined;
  primary: Uint8Array | undefined;
}

/**
 * Reads what `gpg --status-fd` wrote while it decrypted (doc/DETAILS of GnuPG), and gives the signatures. Refused unless there was exactly one
 * message, encrypted to a public key and protected against change, all of it could be decrypted, and it held exactly one text, and every
 * signature lies inside. Total.
 */
export function readStatus(text: string): Result<readonly GpgSignature[], 'status'> {
  const reader = new StatusReader();
  const lines = text.split('\n');
  // Ended in the middle of a line: gpg was.
  if (lines.pop() !== '') return REFUSED;
  for (const line of lines) if (!line.startsWith(PREFIX) || !reader.take(line.slice(PREFIX.length))) return REFUSED;
  const signatures = reader.end();
  return signatures === undefined ? REFUSED : { ok: true, value: signatures };
}

const REFUSED = { ok: false, reason: 'status' } as const;

class StatusReader {
  readonly #groups: Group[] = [];
  #stage: 'before' | 'within' | 'after' = 'before';
  #toPublicKey = false;
  #unchanged = false;
  #okay = false;
  #texts = 0;

  /** Takes a line; false when all is to be refused. */
  take(line: string): boolean {
    const [keyword = '', ...fields] = line.split(' ');
    if (FATAL.has(keyword)) return false;
    if (VERDICTS.has(keyword)) return this.#judge(keyword, fields);
    switch (keyword) {
      case 'ERROR':
        // A second text, for one: gpg tells it on this line only.
        return !(fields[0] ?? '').startsWith('proc_pkt');
      case 'ENC_TO':
        this.#toPublicKey = true;
        return true;
      case 'BEGIN_DECRYPTION':
        if (this.#stage !== 'before') return false;
        this.#stage = 'within';
        return true;
      case 'DECRYPTION_INFO':
        // A modification detection code, or an authenticated cipher.
        this.#unchanged = isNumber(fields[0]) || isNumber(fields[2]);
        return this.#stage === 'within';
      case 'PLAINTEXT':
        return this.#stage === 'within' && ++this.#texts === 1;
      case 'NEWSIG':
        if (this.#stage !== 'within' || this.#groups.length === MOST_SIGNATURES) return false;
        this.#groups.push({ verdict: undefined, valid: false, fingerprint: undefined, primary: undefined });
        return true;
      case 'KEY_CONSIDERED':
        this.#consider(fields);
        return true;
      case 'VALIDSIG':
        return this.#validate(fields);
      case 'DECRYPTION_OKAY':
        this.#okay = true;
        return this.#stage === 'within';
      case 'END_DECRYPTION':
        if (this.#stage !== 'within') return false;
        this.#stage = 'after';
        return true;
      default:
        return true;
    }
  }

  /** What all lines together say; undefined when that is not enough. */
  end(): readonly GpgSignature[] | undefined {
    if (this.#stage !== 'after' || !this.#okay || !this.#toPublicKey || !this.#unchanged) return undefined;
    if (this.#texts !== 1) return undefined;
    return this.#groups.map(({ verdict, valid, fingerprint, primary }) => ({
      verified: verdict === 'GOODSIG' && valid && fingerprint !== undefined && primary !== undefined,
      fingerprint,
      primary,
    }));
  }

  #judge(verdict: string, fields: readonly string[]): boolean {
    const group = this.#groups.at(-1);
    if (group === undefined || group.verdict !== undefined || this.#stage !== 'within') return false;
    group.verdict = verdict;
    // Newer versions name the key that is missing by its fingerprint; what it is worth is for others to say.
    if (verdict === 'ERRSIG') group.fingerprint = fingerprintOf(fields[6]);
    return true;
  }

  /** Which key a signature that does not verify claims to be of is told nowhere else. */
  #consider([primary]: readonly string[]): void {
    const group = this.#groups.at(-1);
    if (group !== undefined && group.verdict === undefined) group.primary ??= fingerprintOf(primary);
  }

  #validate(fields: readonly string[]): boolean {
    const group = this.#groups.at(-1);
    if (group?.verdict === undefined || group.valid || this.#stage !== 'within') return false;
    // Signatures over data: binary or text. One over a key or a name is not over this text.
    if (fields[8] !== '00' && fields[8] !== '01') return false;
    group.valid = true;
    group.fingerprint = fingerprintOf(fields[0]);
    group.primary = fingerprintOf(fields[9]);
    return true;
  }
}

function isNumber(field: string | undefined): boolean {
  return field !== undefined && /^[1-9][0-9]*$/.test(field);
}

/** 20 bytes; undefined for keys of another version, whose fingerprints are longer. */
function fingerprintOf(field: string | undefined): Uint8Array | undefined {
  return field !== undefined && /^[0-9A-F]{40}$/.test(field) ? Buffer.from(field, 'hex') : undefined;
}
