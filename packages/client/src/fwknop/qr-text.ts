/** The text in the QR codes of fwknop's apps: `NAME:VALUE`, parted by spaces. It has keys and nothing else. */
import { EXIT, PersonError } from '@postern/terminal';
import { base64 } from './key-gen.ts';
import { fromBase64 } from './keys.ts';
import type { Assignment, FwknoprcVariable } from './variables.ts';

/** Longest text: more than a QR code holds. */
const TEXT_MAX = 4_096;
/** Names that the apps write. */
const NAMES = ['KEY_BASE64', 'KEY', 'HMAC_KEY_BASE64', 'HMAC_KEY'] as const satisfies readonly FwknoprcVariable[];

/** The text of keys, which the apps of fwknop read. */
export function formatQrText(key: Uint8Array, hmac: Uint8Array | undefined): string {
  return `KEY_BASE64:${base64(key)}${hmac === undefined ? '' : ` HMAC_KEY_BASE64:${base64(hmac)}`}`;
}

/**
 * The keys in a text, or in the two lines that `--key-gen` prints. Names are read in any capitals; others are passed over.
 *
 * @throws PersonError if there is no key, or it is no base64
 */
export function parseQrText(text: string): Assignment[] {
  const found: Assignment[] = [];
  const words = text
    .slice(0, TEXT_MAX)
    .replaceAll(/:[ \t]+/g, ':')
    .split(/\s+/);
  for (const word of words) {
    const colon = word.indexOf(':');
    const name = NAMES.find((known) => known === word.slice(0, Math.max(colon, 0)).toUpperCase());
    const value = word.slice(colon + 1);
    if (name === undefined || value === '') continue;
    if (name.endsWith('BASE64') && fromBase64(value) === undefined) throw refused(`${name}: base64 expected`);
    found.push({ name, value, from: `the QR text: ${name}` });
  }
  if (!found.some(({ name }) => name === 'KEY' || name === 'KEY_BASE64'))
    throw refused('there is no key in the QR text');
  return found;
}

function refused(message: string): PersonError {
  return new PersonError(message, {
    hint: 'expected: KEY_BASE64:… HMAC_KEY_BASE64:…, as apps show it and `fwknop --key-gen` prints it',
    exitCode: EXIT.usage,
  });
}
