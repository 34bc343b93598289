import { randomBytes } from 'node:crypto';
import { EXIT, PersonError } from '@postern/terminal';
import type { FwknopLine } from '../fwknop/command-line.ts';
import { writeFwknopFile } from '../fwknop/file.ts';
import { base64, formatKeys, newKeys } from '../fwknop/key-gen.ts';
import { HMAC_KEY_MAX } from '../fwknop/keys.ts';
import { saveStanza } from '../fwknop/rc-stanza.ts';
import { hmacDigestOf } from '../fwknop/seal.ts';
import { type Assignment, isVariable } from '../fwknop/variables.ts';
import type { FwknopRun } from './fwknop.ts';

/** `--key-gen` and `--save-rc-stanza`: keys go into the stanza where both are asked for. */
export async function keepFwknop(run: FwknopRun): Promise<void> {
  const { words } = run.line;
  const keys = words.has('key-gen') || words.has('key-gen-file') ? makeKeys(run) : [];
  if (words.has('save-rc-stanza')) await save(run, keys);
}

function makeKeys({ line: { words }, settings, io }: FwknopRun): readonly Assignment[] {
  const keys = newKeys(
    (size) => randomBytes(size),
    hmacDigestOf(settings),
    lengthOf(words, 'key-len', 32),
    lengthOf(words, 'hmac-key-len', HMAC_KEY_MAX),
  );
  const texts = { KEY_BASE64: base64(keys.key), HMAC_KEY_BASE64: base64(keys.hmac) };
  const file = words.get('key-gen-file');
  if (file !== undefined) {
    writeFwknopFile(file, `${formatKeys(keys)}\n`);
    io.err(`postern: the keys are in ${file}`);
  } else if (!words.has('save-rc-stanza')) io.out(words.has('json') ? JSON.stringify(texts) : formatKeys(keys));
  return (['KEY_BASE64', 'HMAC_KEY_BASE64'] as const).map((name) => ({ name, value: texts[name], from: '--key-gen' }));
}

function lengthOf(words: FwknopLine['words'], name: string, most: number): number | undefined {
  const text = words.get(name);
  if (text === undefined) return undefined;
  const size = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (size >= 1 && size <= most) return size;
  throw usage(`--${name}: a number of bytes from 1 to ${most} expected`, `for example: --${name} ${most}`);
}

async function save({ line, path, settings, note, io }: FwknopRun, keys: readonly Assignment[]): Promise<void> {
  const { words, assignments } = line;
  const names = [words.get('save-rc-stanza'), words.get('named-config'), settings.get('SPA_SERVER')?.value];
  const name = names.find((candidate) => candidate !== undefined && candidate !== '');
  if (name === undefined) throw usage('what shall the stanza be called?', '-n NAME says it');
  if (path === undefined) throw usage('there is no file to save to', '--rc-file FILE names one');
  for (const { from, name: setting } of assignments) {
    if (!isVariable(setting)) note(`${from} is not kept: fwknop has no variable for it`);
  }
  await saveStanza(path, name, [...assignments, ...keys], words.has('force-stanza'));
  io.err(`postern: kept as [${name}] in ${path}`);
}

function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}
