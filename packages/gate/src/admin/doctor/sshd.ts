import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Effective settings as `sshd -T` prints them: names in lower case; of a name that comes twice the first. */
export type SshdSettings = ReadonlyMap<string, string>;

/** Where sshd is: only programs that root put there are run. */
const PROGRAMS = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'];

/** Reads what `sshd -T` prints. */
export function parseSshd(text: string): SshdSettings {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^([a-z0-9]+)\s*(.*)$/i.exec(line) ?? [];
    if (name !== undefined && !found.has(name.toLowerCase())) found.set(name.toLowerCase(), value.trim());
  }
  return found;
}

/**
 * The effective settings of this host's sshd, outside of its Match blocks; undefined when it is not here or does not tell.
 *
 * @param args - more arguments (`-f FILE`)
 */
export function readSshd(
  programs: readonly string[] = PROGRAMS,
  args: readonly string[] = [],
): SshdSettings | undefined {
  const program = programs.find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const ran = spawnSync(program, ['-T', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
    timeout: 10_000,
  });
  return ran.status === 0 ? parseSshd(ran.stdout) : undefined;
}
