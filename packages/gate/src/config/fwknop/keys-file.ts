/** fwknop.keys, beside posternd.toml: what its stanzas share with clients. Not in posternd.toml, which holds no secrets. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { readSecretly } from '../gate-key.ts';
import { Secret } from '../secret.ts';
import { tableText } from '../toml-text.ts';
import { parseToml, type TomlFile } from '../toml-file.ts';
import { validate } from '../validate.ts';
import { STANZA_NAME } from './schema.ts';

/** Bytes of a key of Rijndael at most. */
export const MOST_KEY_BYTES = 32;
/** Bytes of a key of an HMAC at most. */
export const MOST_HMAC_KEY_BYTES = 128;
/** Bytes of a passphrase at most. */
export const MOST_PASSPHRASE_BYTES = 1024;

/** What is secret of one stanza. */
export interface StanzaKeys {
  /** 1 to 32 bytes. */
  readonly key?: Secret;
  /** 1 to 128 bytes. */
  readonly hmacKey?: Secret;
  /** Of a private key of GPG, 1 to 1024 bytes of UTF-8. */
  readonly passphrase?: Secret;
}

/** What is secret of all stanzas, and the file that says so, for errors. */
export interface FwknopKeys {
  readonly from: TomlFile;
  readonly stanzas: ReadonlyMap<string, StanzaKeys>;
}

const base64 = (most: number): v.GenericSchema<string> => {
  const expected = `1 to ${most} bytes in base64 (with its =) are expected`;
  return v.pipe(
    v.string(expected),
    v.check((value) => {
      const bytes = Buffer.from(value, 'base64');
      return bytes.length >= 1 && bytes.length <= most && bytes.toString('base64') === value;
    }, expected),
  );
};
const PASSPHRASE = `a passphrase of 1 to ${MOST_PASSPHRASE_BYTES} bytes is expected`;
const entry = {
  key: v.optional(base64(MOST_KEY_BYTES)),
  hmac_key: v.optional(base64(MOST_HMAC_KEY_BYTES)),
  passphrase: v.optional(
    v.pipe(
      v.string(PASSPHRASE),
      v.check((value) => value !== '' && Buffer.byteLength(value) <= MOST_PASSPHRASE_BYTES, PASSPHRASE),
    ),
  ),
};
const NAME = 'the name of a stanza is expected';
const schema = v.record(
  v.pipe(v.string(NAME), v.regex(STANZA_NAME, NAME)),
  v.strictObject(entry, 'a table, such as [alice], is expected'),
);

const HEAD = `# Keys of the stanzas in [fwknop.stanzas] of posternd.toml, each also a client's. Secret: who has one can ask in its client's place.
`;

/** Path of fwknop.keys beside a posternd.toml. */
export function fwknopKeysFile(configFile: string): string {
  return join(dirname(configFile), 'fwknop.keys');
}

/** Reads the text of fwknop.keys. @throws PersonError `FILE:LINE:COLUMN: …` when it is damaged; no part of a key is ever in an error */
export function parseFwknopKeys(file: string, text: string): FwknopKeys {
  const from = parseToml(file, text, true);
  const raw = validate(schema, from, () => Object.keys(entry), true);
  const bytes = (value: string | undefined): Secret | undefined =>
    value === undefined ? undefined : new Secret(Buffer.from(value, 'base64'));
  return {
    from,
    stanzas: new Map(
      Object.entries(raw).map(([name, { key, hmac_key, passphrase }]) => [
        name,
        stanzaKeys(
          bytes(key),
          bytes(hmac_key),
          passphrase === undefined ? undefined : new Secret(Buffer.from(passphrase)),
        ),
      ]),
    ),
  };
}

/** Puts together what there is. */
export function stanzaKeys(key?: Secret, hmacKey?: Secret, passphrase?: Secret): StanzaKeys {
  return {
    ...(key === undefined ? {} : { key }),
    ...(hmacKey === undefined ? {} : { hmacKey }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

/**
 * Reads fwknop.keys; none is as good as an empty one.
 *
 * @throws PersonError when anyone but root (or this user) could read it, or when it is damaged
 */
export function readFwknopKeys(file: string): FwknopKeys {
  return parseFwknopKeys(file, existsSync(file) ? readSecretly(file) : '');
}

/** The text of fwknop.keys. */
export function formatFwknopKeys(stanzas: ReadonlyMap<string, StanzaKeys>): string {
  const lines = [HEAD];
  const shown = (secret: Secret): Buffer => Buffer.from(secret.reveal());
  for (const [name, { key, hmacKey, passphrase }] of stanzas) {
    lines.push(
      ...tableText([name], {
        ...(key === undefined ? {} : { key: shown(key).toString('base64') }),
        ...(hmacKey === undefined ? {} : { hmac_key: shown(hmacKey).toString('base64') }),
        ...(passphrase === undefined ? {} : { passphrase: shown(passphrase).toString('utf8') }),
      }),
      '',
    );
  }
  return lines.join('\n');
}
