/** The keys of a packet: from the settings, a file, a descriptor, or asked for. */
import { readFileSync, readSync, statSync } from 'node:fs';
import { EXIT, PersonError } from '@postern/terminal';
import type { AskPassphrase } from '../passphrase.ts';
import { exposureOf } from '../platform.ts';
import { switchOf, wrongSetting } from './read-setting.ts';
import type { Settings } from './variables.ts';

/** Longest key of the cipher in bytes, and of an HMAC as fwknop's programs take it. */
const CIPHER_KEY_MAX = 32;
/** The same of an HMAC. */
export const HMAC_KEY_MAX = 128;
/** More than a line with a key. */
const INPUT_MAX = 4_096;
const FILE_MAX = 1024 * 1024;

/** Where keys come from that nobody wrote into the settings. */
export interface KeyInput {
  readonly ask: AskPassphrase;
  /** Lines of a descriptor, without their ends. */
  readonly lines: (descriptor: number) => readonly string[];
}

/** The keys that a symmetric packet needs. */
export interface FwknopKeys {
  readonly key: Uint8Array;
  readonly hmac: Uint8Array | undefined;
}

/** Whether the packet gets an HMAC: where it is asked for, or there is a key for one. */
export function usesHmac(settings: Settings): boolean {
  const keyed = (['HMAC_KEY', 'HMAC_KEY_BASE64', 'HMAC_KEY_FILE'] as const).some((name) => settings.has(name));
  return keyed || switchOf(settings, 'USE_HMAC');
}

/** Both keys. @throws PersonError for what is missing or wrong; no key is in its text */
export function readKeys(settings: Settings, input: KeyInput): FwknopKeys {
  const lines = linesOf(settings, input);
  const key = readKey(settings, 'KEY', lines?.[0], input.ask);
  if (!usesHmac(settings)) return { key, hmac: undefined };
  const hmac = readHmacKey(settings, input, lines?.[1]);
  if (Buffer.from(key).equals(hmac)) {
    throw new PersonError('the key and the HMAC key are the same', {
      hint: 'fwknop refuses that: `postern fwknop --key-gen` makes two',
      exitCode: EXIT.configuration,
    });
  }
  return { key, hmac };
}

/** The HMAC key alone, for packets of GPG. */
export function readHmacKey(
  settings: Settings,
  input: KeyInput,
  line: string | undefined = linesOf(settings, input)?.[0],
): Uint8Array {
  return readKey(settings, 'HMAC_KEY', line, input.ask);
}

function linesOf(settings: Settings, input: KeyInput): readonly string[] | undefined {
  const text = settings.get('KEY_FD')?.value;
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,4}$/.test(text)) throw wrongSetting(settings, 'KEY_FD', 'a descriptor', 'for example: --fd 3 3< FILE');
  return input.lines(Number(text));
}

function readKey(
  settings: Settings,
  name: 'KEY' | 'HMAC_KEY',
  line: string | undefined,
  ask: AskPassphrase,
): Uint8Array {
  const [what, most] = name === 'KEY' ? ['key', CIPHER_KEY_MAX] : ['HMAC key', HMAC_KEY_MAX];
  const [base64, file] = [`${name}_BASE64`, `${name}_FILE`] as const;
  const sized = (bytes: Uint8Array, from: string): Uint8Array => {
    if (bytes.length >= 1 && bytes.length <= most) return bytes;
    throw new PersonError(`${from}: a ${what} of 1 to ${most} bytes expected, not ${bytes.length}`, {
      hint: '`postern fwknop --key-gen` makes keys',
      exitCode: EXIT.configuration,
    });
  };
  const coded = settings.get(base64);
  if (coded !== undefined) {
    const bytes = fromBase64(coded.value);
    if (bytes === undefined) throw wrongSetting(settings, base64, 'base64', '`postern fwknop --key-gen` makes keys');
    return sized(bytes, coded.from);
  }
  const plain = settings.get(name);
  if (plain !== undefined) return sized(Buffer.from(plain.value, 'utf8'), plain.from);
  const kept = settings.get(file);
  if (kept !== undefined) return sized(keyInFile(kept.value, settings.get('SPA_SERVER')?.value, what), kept.from);
  if (line !== undefined && line !== '') return sized(Buffer.from(line, 'utf8'), what);
  if (settings.has('KEY_FD')) {
    throw new PersonError(`no ${what} came from descriptor ${settings.get('KEY_FD')?.value ?? ''}`, {
      hint: 'the first line is the key, with --use-hmac the second one the HMAC key',
      exitCode: EXIT.usage,
    });
  }
  return sized(Buffer.from(ask(`${what} for ${settings.get('SPA_SERVER')?.value ?? 'the packet'}: `), 'utf8'), what);
}

/** Bytes of a text in base64, with padding or without; undefined if it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bare = text.replace(/={1,2}$/, '');
  return /^[A-Za-z0-9+/]*$/.test(bare) && bare.length % 4 !== 1 ? Buffer.from(bare, 'base64') : undefined;
}

/** The key of a server in a file of lines `host: key`; a key is all that follows, to the end of the line. */
function keyInFile(path: string, server: string | undefined, what: string): Uint8Array {
  if (server === undefined) {
    throw new PersonError(`${path} holds keys by server: which one?`, { hint: '-D names it', exitCode: EXIT.usage });
  }
  const hint = `a file for you alone (mode 0600) with a line \`${server}: KEY\``;
  let text: string;
  try {
    const stats = statSync(path);
    const exposure = exposureOf(path, stats);
    if (exposure !== undefined) {
      throw new PersonError(`${path} holds keys and ${exposure.what}`, {
        hint: `\`${exposure.mend}\` makes it private`,
        exitCode: EXIT.configuration,
      });
    }
    if (stats.size > FILE_MAX) throw new PersonError(`${path} is longer than ${FILE_MAX} bytes`, { hint });
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof PersonError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new PersonError(`cannot read ${path}: ${code}`, { hint, exitCode: EXIT.configuration, cause: error });
  }
  for (const line of text.split('\n')) {
    const [, host, key] = /^\s*([^#\s][^\s]*?)\s*:\s+?(.+)$/.exec(line) ?? [];
    if (host === server && key !== undefined) return Buffer.from(key, 'utf8');
  }
  throw new PersonError(`${path} has no ${what} for ${server}`, { hint, exitCode: EXIT.configuration });
}

/** Lines of a descriptor, up to 4,096 bytes. @throws PersonError if it cannot be read */
export function descriptorLines(descriptor: number): readonly string[] {
  const bytes = Buffer.alloc(INPUT_MAX);
  let size = 0;
  try {
    for (let more = -1; more !== 0 && size < INPUT_MAX; size += more) {
      more = readSync(descriptor, bytes, size, INPUT_MAX - size, null);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code !== 'EOF')
      throw new PersonError(`cannot read descriptor ${descriptor}: ${code}`, { exitCode: EXIT.usage, cause: error });
  }
  const lines = bytes.toString('utf8', 0, size).split(/\r?\n/);
  bytes.fill(0);
  return lines;
}
