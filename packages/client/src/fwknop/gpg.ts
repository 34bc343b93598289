/** Encrypts with the gpg program. */
import { EXIT, PersonError } from '@postern/terminal';
import type { AskPassphrase } from '../passphrase.ts';
import { switchOf } from './read-setting.ts';
import { fromBase64 } from './keys.ts';
import type { Settings } from './variables.ts';

/** What gpg is told. */
export interface GpgOrder {
  readonly program: string;
  readonly recipient: string;
  readonly signer: string | undefined;
  readonly home: string | undefined;
  /** Of the signing key; undefined where the agent asks, or nothing is signed. */
  readonly passphrase: string | undefined;
}

/** Longest message of gpg: more than a packet holds, in bytes. */
const OUTPUT_MAX = 16 * 1024;
const PATIENCE_MS = 60_000;

/** What gpg shall do, by the settings; asks for the passphrase of the signing key where nothing says it. */
export function gpgOrder(settings: Settings, ask: AskPassphrase): GpgOrder {
  const recipient = settings.get('GPG_RECIPIENT')?.value;
  if (recipient === undefined) {
    throw new PersonError('for whom shall gpg encrypt?', {
      hint: "--gpg-recipient-key names the server's key, by its fingerprint at best",
      exitCode: EXIT.usage,
    });
  }
  const signer = settings.get('GPG_SIGNER')?.value;
  return {
    program: settings.get('GPG_EXE')?.value ?? 'gpg',
    recipient,
    signer,
    home: settings.get('GPG_HOMEDIR')?.value,
    passphrase: signer === undefined ? undefined : passphraseOf(settings, signer, ask),
  };
}

function passphraseOf(settings: Settings, signer: string, ask: AskPassphrase): string | undefined {
  if (switchOf(settings, 'GPG_NO_SIGNING_PW')) return '';
  const plain = settings.get('GPG_SIGNING_PW')?.value;
  if (plain !== undefined) return plain;
  const coded = settings.get('GPG_SIGNING_PW_BASE64');
  if (coded !== undefined) {
    const bytes = fromBase64(coded.value);
    if (bytes === undefined) throw new PersonError(`${coded.from}: base64 expected`, { exitCode: EXIT.configuration });
    return Buffer.from(bytes).toString('utf8');
  }
  return switchOf(settings, 'USE_GPG_AGENT') ? undefined : ask(`passphrase of the key ${signer}: `);
}

/**
 * A binary OpenPGP message of a text, encrypted and, where a signer is named, signed. gpg is run without a shell; its trust model is
 * `always`, as in fwknop: who names a recipient means it.
 *
 * @throws PersonError with the last line that gpg said
 */
export async function gpgEncrypt(text: string, order: GpgOrder): Promise<Uint8Array> {
  const { program, recipient, signer, home, passphrase } = order;
  const words = ['--batch', '--no-tty', '--quiet', '--trust-model', 'always', '--no-armor', '--no-auto-key-locate', '--disable-dirmngr'];
  if (home !== undefined) words.push('--homedir', home);
  if (passphrase !== undefined) words.push('--pinentry-mode', 'loopback', '--passphrase-fd', '3');
  if (signer !== undefined) words.push('--sign', '--local-user', signer);
  words.push('--encrypt', '--recipient', recipient, '--output', '-');
  const { spawn } = await import('node:child_process');
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], timeout: PATIENCE_MS });
  const [, , , secret] = child.stdio;
  for (const stream of child.stdio) stream?.on('error', () => undefined);
  child.stdin.end(text);
  if (secret !== null && secret !== undefined && 'end' in secret) secret.end(`${passphrase ?? ''}\n`);
  const output: Buffer[] = [];
  let size = 0;
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_MAX) output.push(chunk);
    else child.kill();
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said = (said + chunk).slice(-OUTPUT_MAX)));
  const code = await new Promise<number | string | null>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    child.once('close', resolve);
  });
  if (code === 0 && size > 0 && size <= OUTPUT_MAX) return Buffer.concat(output);
  const last = said.trim().split('\n').at(-1) ?? '';
  const what =
    code === 'ENOENT' ? 'there is no such program' : last === '' ? `it ended with ${code ?? 'a signal'}` : last;
  throw new PersonError(`${program} did not encrypt: ${what}`, {
    hint: '`gpg --list-keys` lists the keys; --gpg-home-dir and --gpg-agent say where they are and who asks for the passphrase',
    exitCode: EXIT.configuration,
  });
}
