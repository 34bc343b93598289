/** Settings of sshd that are worth changing behind a gate. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Finding, Severity } from '../finding.ts';
import type { Subject } from './examiner.ts';

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

interface Advice {
  readonly setting: string;
  readonly bad: (value: string) => boolean;
  readonly severity: Severity;
  readonly code: Finding['code'];
  readonly why: string;
  /** The line to write. */
  readonly line: string;
  /** What to make sure of first. */
  readonly first?: string;
}

const KEY_FIRST = 'log in with a key once';

const ADVICE: readonly Advice[] = [
  {
    ...{
      setting: 'permitemptypasswords',
      bad: (value) => value === 'yes',
      severity: 'error',
      code: 'sshd-empty-passwords',
    },
    why: 'an account without a password is open to who gets through the gate',
    line: 'PermitEmptyPasswords no',
  },
  {
    ...{
      setting: 'passwordauthentication',
      bad: (value) => value === 'yes',
      severity: 'warning',
      code: 'sshd-passwords',
    },
    why: 'a gate replaces no log-in: who shares an address with somebody who knocked may try passwords, and cannot try keys',
    line: 'PasswordAuthentication no',
    first: KEY_FIRST,
  },
  {
    ...{
      setting: 'kbdinteractiveauthentication',
      bad: (value) => value === 'yes',
      severity: 'note',
      code: 'sshd-passwords',
    },
    why: 'with PAM it asks for passwords too, although PasswordAuthentication is off',
    line: 'KbdInteractiveAuthentication no',
    first: `${KEY_FIRST}; leave it on if you use one-time codes`,
  },
  {
    ...{ setting: 'permitrootlogin', bad: (value) => value === 'yes', severity: 'warning', code: 'sshd-root' },
    why: 'root may log in with a password: one guess is the whole host',
    line: 'PermitRootLogin prohibit-password',
    first: KEY_FIRST,
  },
  {
    ...{ setting: 'logingracetime', bad: (value) => value === '0', severity: 'note', code: 'sshd-grace' },
    why: 'who got through the gate once can hold unfinished log-ins open for ever',
    line: 'LoginGraceTime 60',
  },
  {
    ...{ setting: 'usedns', bad: (value) => value === 'yes', severity: 'note', code: 'sshd-dns' },
    why: "each log-in waits for a look-up of the address's name, and a log of names is weaker evidence than one of addresses",
    line: 'UseDNS no',
  },
];

/** Settings of sshd worth changing, each with the line to write. */
export function sshdSettings({ facts: { sshd } }: Subject): Finding[] {
  if (sshd === undefined) return [];
  return ADVICE.flatMap(({ setting, bad, severity, code, why, line, first }): Finding[] => {
    const value = sshd.get(setting);
    if (value === undefined || !bad(value)) return [];
    const before = first === undefined ? '' : `  # first ${first}`;
    return [
      {
        ...{ severity, code, why },
        what: `sshd has ${line.split(' ')[0] ?? setting} ${value}`,
        mend: `echo '${line}' >> /etc/ssh/sshd_config.d/00-postern.conf && systemctl reload ssh${before}`,
      },
    ];
  });
}
