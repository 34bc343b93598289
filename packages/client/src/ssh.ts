/** Runs the real ssh to the very address that was opened. */
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { familyOf, formatAddress } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { EVERY_HOST, KNOCKED } from './ssh-caller.ts';
import type { SshLine } from './ssh-arguments.ts';
import { isOurProxy } from './ssh-config.ts';

/** What ssh makes of its configuration for one destination (`ssh -G`). */
export interface SshConfig {
  /** Host name after all `HostName`s. */
  readonly hostName: string;
  readonly port: number;
  readonly hostKeyAlias: string | undefined;
  /** `ProxyJump` or `ProxyCommand`, if one is set that is not ours. */
  readonly proxy: string | undefined;
  /** `postern ssh-config --proxy-command` wrote the `ProxyCommand`. */
  readonly ourProxy: boolean;
}

/** Path of the ssh program. */
export function sshProgram(path: string = process.env['PATH'] ?? ''): string {
  const name = process.platform === 'win32' ? 'ssh.exe' : 'ssh';
  for (const directory of path.split(delimiter).filter((part) => part !== '')) {
    const candidate = join(directory, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  throw new PersonError('there is no ssh program on this device', {
    hint: 'install OpenSSH; or `postern knock` and connect with what you have',
  });
}

/** Asks ssh what its configuration says about the destination; undefined where it does not say (then it will say why itself). */
export async function readSshConfig(program: string, line: SshLine): Promise<SshConfig | undefined> {
  const asked = await askSsh(program, [...line.options, '--', line.destination ?? '']);
  return asked.ok ? parseSshConfig(asked.output) : undefined;
}

const ANSWER_MS = 30_000;

/** What `ssh -G` with these words prints; else its complaint. Nothing is knocked on. */
export function askSsh(
  program: string,
  words: readonly string[],
): Promise<{ readonly ok: true; readonly output: string } | { readonly ok: false; readonly complaint: string }> {
  const env = { ...process.env, [KNOCKED]: EVERY_HOST };
  return new Promise((resolve) => {
    // What the owner's own `Match exec` runs may take its time, and so may we ourselves on a machine that is busy.
    execFile(program, ['-G', ...words], { timeout: ANSWER_MS, env }, (error, output, complaint) => {
      if (error === null) resolve({ ok: true, output });
      else if (error.killed === true)
        resolve({ ok: false, complaint: `\`ssh -G\` took more than ${ANSWER_MS / 1000} s` });
      else resolve({ ok: false, complaint: complaint.trim() || error.message });
    });
  });
}

/** Reads what `ssh -G` prints: a key in small letters and its value on each line. */
export function parseSshConfig(output: string): SshConfig | undefined {
  const values = new Map<string, string>();
  for (const text of output.split('\n')) {
    const space = text.indexOf(' ');
    if (space > 0) values.set(text.slice(0, space), text.slice(space + 1).trim());
  }
  const set = (key: string): string | undefined => {
    const value = values.get(key);
    return value === 'none' || value === '' ? undefined : value;
  };
  const hostName = set('hostname');
  if (hostName === undefined) return undefined;
  const command = set('proxycommand');
  const ourProxy = command !== undefined && isOurProxy(command);
  return {
    hostName,
    port: Number(set('port') ?? 22),
    hostKeyAlias: set('hostkeyalias'),
    proxy: set('proxyjump') ?? (ourProxy ? undefined : command),
    ourProxy,
  };
}

/**
 * The arguments for ssh. With a target it connects to that very address, while the host's key is still looked up under the name under which ssh
 * would have kept it without us, so that nobody is asked about a known host again. The owner's `HostKeyAlias` stands.
 */
export function sshWords(
  { options, destination, family, command }: SshLine,
  target: { readonly address: Uint8Array; readonly config: SshConfig | undefined } | undefined,
): string[] {
  const words: string[] = [];
  if (target === undefined) {
    if (family !== undefined) words.push(`-${family}`);
  } else {
    const { address, config } = target;
    if (config?.ourProxy === true) words.push('-o', 'ProxyCommand=none');
    const text = formatAddress(address);
    words.push(`-${familyOf(address)}`);
    if (config?.hostName !== text) {
      words.push('-o', `HostName=${text}`);
      const name = config?.hostName ?? hostOf(destination);
      const alias = config?.hostKeyAlias === undefined ? keyName(name, config?.port ?? 22) : undefined;
      if (alias !== undefined) words.push('-o', `HostKeyAlias=${alias}`);
    }
  }
  words.push(...options);
  if (destination !== undefined) words.push('--', destination, ...command);
  return words;
}

/** Under which name ssh keeps the key of a host, as in known_hosts. */
export function keyName(name: string, port: number): string {
  return port === 22 ? name : `[${name}]:${port}`;
}

function hostOf(destination: string | undefined): string {
  return destination?.slice(destination.lastIndexOf('@') + 1) ?? '';
}

/**
 * Becomes ssh, where the system lets a process become another program: then its terminal, signals and exit code are its own. Elsewhere runs
 * it as a child and returns its exit code, 128 and the signal's number if one ended it.
 *
 * @param knocked - the host that was knocked on: what `postern ssh-config` wrote shall not knock once more
 */
export async function runSsh(program: string, words: readonly string[], knocked?: string): Promise<number> {
  const env = knocked === undefined ? process.env : { ...process.env, [KNOCKED]: knocked };
  if (process.execve !== undefined && process.platform !== 'win32') process.execve(program, ['ssh', ...words], env);
  const child = spawn(program, words, { stdio: 'inherit', env });
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  // The terminal sends Ctrl-C to ssh as well; what to make of it is ssh's to say.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore).on('SIGTERM', forward).on('SIGHUP', forward);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]));
      });
    });
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', forward).off('SIGHUP', forward);
  }
}
