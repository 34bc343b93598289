/** Settings of sshd that are worth changing behind a gate. */
import type { Finding } from '../finding.ts';
import type { Severity } from '../severity.ts';
import type { Subject } from './examiner.ts';

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
