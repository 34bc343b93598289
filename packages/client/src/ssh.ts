/** Runs the real ssh to the very address that was opened. */
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { familyOf, formatAddress } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { SshLine } from './ssh-arguments.ts';

/** What ssh makes of its configuration for one destination (`ssh -G`). */
export interface SshConfig {
  /** Host name after all `HostName`s. */
  readonly hostName: string;
  readonly port: number;
  readonly hostKeyAlias: string | undefined;
  /** `ProxyJump` or `ProxyCommand`, if one is set. */
  readonly proxy: string | undefined;
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
export function readSshConfig(program: string, line: SshLine): Promise<SshConfig | undefined> {
  return new Promise((resolve) => {
    execFile(program, ['-G', ...line.options, '--', line.destination ?? ''], { timeout: 5_000 }, (error, output) => {
      resolve(error === null ? parseSshConfig(output) : undefined);
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
  return {
    hostName,
    port: Number(set('port') ?? 22),
    hostKeyAlias: set('hostkeyalias'),
    proxy: set('proxyjump') ?? set('proxycommand'),
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

/** As in known_hosts. */
function keyName(name: string, port: number): string {
  return port === 22 ? name : `[${name}]:${port}`;
}

function hostOf(destination: string | undefined): string {
  return destination?.slice(destination.lastIndexOf('@') + 1) ?? '';
}

/**
 * Becomes ssh, where the system lets a process become another program: then its terminal, signals and exit code are its own. Elsewhere runs
 * it as a child and returns its exit code, 128 and the signal's number if one ended it.
 */
export async function runSsh(program: string, words: readonly string[]): Promise<number> {
  if (process.execve !== undefined && process.platform !== 'win32') {
    process.execve(program, ['ssh', ...words], process.env);
  }
  const child = spawn(program, words, { stdio: 'inherit' });
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
