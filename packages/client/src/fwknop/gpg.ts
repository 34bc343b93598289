/** Encrypts with the gpg program. */
import { EXIT, PersonError } from '@postern/terminal';
import type { AskPassphrase } from '../passphrase.ts';
import { switchOf } from './read-setting.ts';
import { fromBase64 } from './keys.ts';
import { runProgramToEnd } from './run-program.ts';
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
  const words = [
    '--batch',
    '--no-tty',
    '--quiet',
    '--trust-model',
    'always',
    '--no-armor',
    '--no-auto-key-locate',
    '--disable-dirmngr',
  ];
  if (home !== undefined) words.push('--homedir', home);
  if (passphrase !== undefined) words.push('--pinentry-mode', 'loopback', '--passphrase-fd', '3');
  if (signer !== undefined) words.push('--sign', '--local-user', signer);
  words.push('--encrypt', '--recipient', recipient, '--output', '-');
  const secret = passphrase === undefined ? undefined : `${passphrase}\n`;
  const limits = { patience: PATIENCE_MS, mostOutput: OUTPUT_MAX };
  const { code, trouble, output, errors } = await runProgramToEnd(program, words, { input: text, secret, ...limits });
  if (code === 0 && output.length > 0) return output;
  const last = errors.trim().split('\n').at(-1) ?? '';
  const ended = last === '' ? `it ended with ${code ?? 'a signal'}` : last;
  const what = trouble === undefined ? ended : trouble === 'ENOENT' ? 'there is no such program' : trouble;
  throw new PersonError(`${program} did not encrypt: ${what}`, {
    hint: '`gpg --list-keys` lists the keys; --gpg-home-dir and --gpg-agent say where they are and who asks for the passphrase',
    exitCode: EXIT.configuration,
  });
}
