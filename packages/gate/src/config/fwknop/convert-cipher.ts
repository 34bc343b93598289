/** The keys of a stanza of an access.conf, and what is done with them. */
import { Secret } from '../secret.ts';
import type { SecretVariable } from './access-file.ts';
import {
  MOST_HMAC_KEY_BYTES,
  MOST_KEY_BYTES,
  MOST_PASSPHRASE_BYTES,
  stanzaKeys,
  type StanzaKeys,
} from './keys-file.ts';
import { DIGEST_NAMES, MODE_NAMES, SIGNER, type GpgTable, type StanzaTable } from './schema.ts';
import type { Taking } from './taking.ts';

/** What fwknop's own files hold in the place of a key. */
const PLACEHOLDER = '__CHANGEME__';
/** Characters of a passphrase that can be found by trying, with one MD5 for each try. */
const SHORT = 16;

/** What of a stanza depends on how its packets are encrypted. */
export interface Converted {
  readonly table: Pick<StanzaTable, 'mode' | 'gpg' | 'hmac'>;
  readonly keys: StanzaKeys;
}

/** Where gpg is when the stanza does not say. */
export interface GpgSettings {
  readonly home: string;
  readonly program: string;
}

/** One for a key, one for gpg: a stanza of fwknop may have both. None where something is refused. */
export function convertCipher(taking: Taking, settings: GpgSettings): readonly Converted[] {
  const key = keyOf(taking, 'KEY', MOST_KEY_BYTES);
  const hmacKey = keyOf(taking, 'HMAC_KEY', MOST_HMAC_KEY_BYTES);
  const hmac = hmacOf(taking, hmacKey);
  const mode = modeOf(taking, hmacKey !== undefined);
  const gpg = gpgOf(taking, settings);
  if (taking.refused) return [];
  if (key === undefined && gpg === undefined) {
    taking.note('refused', undefined, 'it has no key', ['KEY_BASE64 …; as `fwknop --key-gen` makes them']);
    return [];
  }
  if (key !== undefined && hmacKey !== undefined && Buffer.from(key.reveal()).equals(hmacKey.reveal())) {
    taking.note('refused', 'HMAC_KEY_BASE64', 'its two keys are the same, which fwknopd refuses, too');
    return [];
  }
  return [
    ...(key === undefined ? [] : [{ table: { mode, hmac }, keys: stanzaKeys(key, hmacKey) }]),
    ...(gpg === undefined
      ? []
      : [{ table: { gpg: gpg.table, hmac }, keys: stanzaKeys(undefined, hmacKey, gpg.passphrase) }]),
  ];
}

/** A key that is given as text or as base64; of both the one in base64. Nothing of it is ever in a note. */
function keyOf(taking: Taking, name: 'KEY' | 'HMAC_KEY', most: number): Secret | undefined {
  const [text, base64] = [taking.takeSecret(name), taking.takeSecret(`${name}_BASE64`)];
  const variable = base64 ?? text;
  if (variable === undefined) return undefined;
  if (textOf(variable) === PLACEHOLDER) {
    taking.note('refused', variable.name, 'no key was put into its place yet', ['`fwknop --key-gen` makes keys']);
    return undefined;
  }
  const bytes = base64 === undefined ? variable.value : decode(variable);
  if (bytes === undefined) {
    taking.note('refused', variable.name, 'it is no base64');
    return undefined;
  }
  if (bytes.length > most) {
    taking.note('refused', variable.name, `a key has ${most} bytes at most, and this one has ${bytes.length}`);
    return undefined;
  }
  if (base64 === undefined) {
    if (bytes.length < SHORT || name === 'KEY') {
      const how = bytes.length < SHORT ? 'a short passphrase' : 'a passphrase';
      const why = 'who has one packet can try as many as he likes, each with one MD5';
      taking.note('weak', name, `it is ${how}: ${why}`, [`${name}_BASE64 …; as \`fwknop --key-gen\` makes it`]);
    }
  } else if (text !== undefined) taking.note('changed', name, `${name}_BASE64 is there, too, and counts`);
  return bytes;
}

function textOf({ value }: SecretVariable): string {
  return Buffer.from(value.reveal()).toString('utf8');
}

function decode(variable: SecretVariable): Secret | undefined {
  const text = textOf(variable).replace(/=*$/, '');
  const bytes = Buffer.from(text, 'base64');
  // Bits to spare are nobody's key: fwknop ignores them.
  return /^[A-Za-z0-9+/]+$/.test(text) && text.length % 4 !== 1 && bytes.length > 0 ? new Secret(bytes) : undefined;
}

function hmacOf(taking: Taking, key: Secret | undefined): StanzaTable['hmac'] {
  const type = taking.take('HMAC_DIGEST_TYPE');
  const name = type?.value.toLowerCase() ?? 'sha256';
  const digest = DIGEST_NAMES.find((known) => known === name);
  if (digest === undefined) {
    taking.note('refused', 'HMAC_DIGEST_TYPE', `one of ${DIGEST_NAMES.join(', ')} is expected`);
    return undefined;
  }
  const allowed = taking.takeYes('ALLOW_NO_HMAC');
  if (key !== undefined) {
    if (digest === 'md5' || digest === 'sha1') {
      const mend = ['HMAC_DIGEST_TYPE sha256;, and the same at its clients'];
      taking.note('weak', 'HMAC_DIGEST_TYPE', `${digest} is not used for anything new`, mend);
    }
    if (allowed) taking.note('no-meaning', 'ALLOW_NO_HMAC', 'there is a key for an HMAC');
    return digest;
  }
  const what = 'its packets have no HMAC: whoever catches one can change it, and open with it again under fwknopd';
  if (allowed) taking.note('weak', undefined, what, ['HMAC_KEY_BASE64 …;, and the same at its clients']);
  else if (!taking.refused) {
    const mend = [
      'HMAC_KEY_BASE64 …;, and the same at its clients, or',
      'ALLOW_NO_HMAC Y;  # takes such packets all the same',
    ];
    taking.note('refused', undefined, what, mend);
  }
  return 'none';
}

function modeOf(taking: Taking, hasHmac: boolean): StanzaTable['mode'] {
  const variable = taking.take('ENCRYPTION_MODE');
  const name = variable?.value.toLowerCase() ?? 'cbc';
  // What says that gpg is used says nothing of the key beside it.
  if (name === 'asymmetric') return 'cbc';
  const mode = MODE_NAMES.find((known) => known === name);
  if (mode === undefined) taking.note('refused', 'ENCRYPTION_MODE', `one of ${MODE_NAMES.join(', ')} is expected`);
  if (mode === 'ecb')
    taking.note('weak', 'ENCRYPTION_MODE', 'ecb shows where two packets say the same', ['ENCRYPTION_MODE CBC;']);
  if (mode === 'legacy') {
    const more = hasHmac ? '; the client of fwknop refuses it together with an HMAC' : '';
    taking.note('weak', 'ENCRYPTION_MODE', `legacy uses 16 bytes of a key at most${more}`, ['ENCRYPTION_MODE CBC;']);
  }
  return mode;
}

interface Gpg {
  readonly table: GpgTable;
  readonly passphrase: Secret | undefined;
}

function gpgOf(taking: Taking, settings: GpgSettings): Gpg | undefined {
  const passphrase = taking.takeSecret('GPG_DECRYPT_PW');
  const without = taking.takeYes('GPG_ALLOW_NO_PW');
  if (taking.take('GPG_DECRYPT_ID') !== undefined)
    taking.note('no-meaning', 'GPG_DECRYPT_ID', 'gpg takes the private key that a packet is for');
  if (passphrase === undefined && !without) {
    if (taking.has('GPG_REMOTE_ID') || taking.has('GPG_FINGERPRINT_ID') || taking.has('GPG_DECRYPT_ID')) {
      const mend = ['GPG_DECRYPT_PW …;, or', 'GPG_ALLOW_NO_PW Y;'];
      taking.note('no-meaning', undefined, 'without a passphrase its GPG variables say nothing, to fwknopd too', mend);
    }
    return undefined;
  }
  if (passphrase !== undefined && textOf(passphrase) === PLACEHOLDER) {
    taking.note('refused', 'GPG_DECRYPT_PW', 'no passphrase was put into its place yet');
    return undefined;
  }
  if (passphrase !== undefined && passphrase.value.length > MOST_PASSPHRASE_BYTES)
    taking.note('refused', 'GPG_DECRYPT_PW', `it has more than ${MOST_PASSPHRASE_BYTES} bytes`);
  const home = taking.take('GPG_HOME_DIR')?.value ?? settings.home;
  const program = taking.take('GPG_EXE')?.value ?? settings.program;
  for (const path of [home, program])
    if (!path.startsWith('/')) taking.note('refused', undefined, 'the paths of gpg and of its home must be absolute');
  return { table: { home, program, ...signersOf(taking) }, passphrase: without ? undefined : passphrase?.value };
}

function signersOf(taking: Taking): Pick<GpgTable, 'signers' | 'unsigned' | 'ignore_bad_signature'> {
  const needed = taking.take('GPG_REQUIRE_SIG');
  const ids = ['GPG_REMOTE_ID', 'GPG_FINGERPRINT_ID'].flatMap((name) => idsOf(taking, name));
  if (taking.takeYes('GPG_DISABLE_SIG') || (needed !== undefined && !/^y/i.test(needed.value))) {
    const name = taking.has('GPG_DISABLE_SIG') ? 'GPG_DISABLE_SIG' : 'GPG_REQUIRE_SIG';
    const text =
      'no signature is asked for: everybody can encrypt for a public key, so that the HMAC alone says who asks';
    taking.note('weak', name, text, ['GPG_FINGERPRINT_ID …;']);
    return { unsigned: true };
  }
  if (ids.length === 0 && !taking.refused) {
    const mend = ['GPG_FINGERPRINT_ID …;, the fingerprint of the key that signs'];
    taking.note('refused', undefined, 'it does not say whose signature its packets have', mend);
  }
  const bad = taking.takeYes('GPG_IGNORE_SIG_VERIFY_ERROR');
  if (bad) taking.note('weak', 'GPG_IGNORE_SIG_VERIFY_ERROR', 'a signature that is wrong counts as one');
  return { signers: [...new Set(ids)], ...(bad ? { ignore_bad_signature: true } : {}) };
}

function idsOf(taking: Taking, name: string): readonly string[] {
  const variable = taking.take(name);
  if (variable === undefined) return [];
  const ids = variable.value.split(',').map((id) => id.trim().replace(/^0x/i, '').toUpperCase());
  if (!ids.every((id) => SIGNER.test(id)))
    taking.note('refused', name, 'ids of keys are expected: 40, 16 or 8 hexadecimal digits, apart by commas');
  else if (ids.some((id) => id.length < 40)) {
    const mend = ['GPG_FINGERPRINT_ID …;, as `gpg --fingerprint` shows it'];
    taking.note('weak', name, 'a short id is no proof: keys with the same one are made in minutes', mend);
  }
  return ids;
}
