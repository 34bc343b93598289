import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { GpgFile } from '../line/gpg-setup.ts';

const AGENT = 'gpg-agent';
const AGENT_PLACES = ['/usr/bin/gpg-agent', '/usr/local/bin/gpg-agent'];

/** Writes a keyring into a new directory below `parent`, which nobody else can read, and returns its path. */
export function layOut(parent: string, files: readonly GpgFile[]): string {
  const home = mkdtempSync(join(parent, 'home-'));
  for (const { path, data } of files) {
    const file = join(home, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, Buffer.from(data, 'base64'), { mode: 0o600, flag: 'wx' });
  }
  return home;
}

/** The agent that belongs to a gpg: beside it, or where it usually is; undefined if there is none. */
export function agentOf(program: string): string | undefined {
  return [join(dirname(program), AGENT), ...AGENT_PLACES].find((path) => existsSync(path));
}

/** What the agent watches: says that it runs, and reads until we are gone. Descriptor 3 is then the agent's alone, so its end is the agent's. */
const WATCHED = 'exec 3>&-; echo .; exec cat';

/**
 * Starts the agent of a keyring, which alone reads the private keys; resolves when it listens. It ends by itself a few seconds after this process, however
 * that ends, because it watches a command that reads from us (gpg-agent(1), `--daemon` with a command line). `onEnd` hears of its end.
 */
export function startAgent(agent: string, home: string, onEnd: (how: string) => void): Promise<void> {
  // A cached passphrase saves gpg's key derivation, a tenth of a second, for every packet but the first.
  const cache = ['--default-cache-ttl', '86400', '--max-cache-ttl', '604800'];
  const options = ['--homedir', home, '--no-options', '--quiet', '--disable-scdaemon', ...cache];
  // In our process group, so that who ends that ends it as well.
  const child = spawn(agent, [...options, '--daemon', '--no-detach', '--', '/bin/sh', '-c', WATCHED], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', HOME: home, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
  });
  return new Promise((resolve) => {
    // The agent listens before it starts its command.
    child.stdout?.once('data', () => {
      resolve();
    });
    child.stdin?.on('error', () => undefined);
    const alive = child.stdio[3] as Readable;
    alive.resume().once('close', () => {
      onEnd('it is gone');
    });
    child.once('error', (error) => {
      onEnd(error.message);
    });
    child.once('exit', (code, signal) => {
      onEnd(signal ?? `exit code ${String(code)}`);
    });
  });
}
