import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { PersonError } from '@postern/terminal';

/** What the monitor uses, by bit number in capability(7), and what for. Everything else is dropped before it reads a packet's fruit. */
const KEPT: Readonly<Record<string, { readonly bit: number; readonly why: string }>> = {
  net_admin: { bit: 12, why: 'sets elements and rules in nftables' },
  net_raw: { bit: 13, why: 'opens packet sockets' },
  setuid: { bit: 7, why: 'starts the sentry as another user' },
  setgid: { bit: 6, why: 'starts the sentry without groups' },
  setpcap: { bit: 8, why: 'starts the sentry without capabilities' },
  kill: { bit: 5, why: 'ends a sentry that hangs' },
};

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'];
/**
 * A small young generation and few threads, for memory; code that is compiled early and kept, because knocks are rare and each should be
 * answered as fast as in a loop (decision 0006).
 */
const NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
  '--no-lazy-feedback-allocation',
  '--no-flush-bytecode',
];
const MARK = 'POSTERN_CONFINED';

function capabilities(field: 'CapEff' | 'CapBnd'): bigint {
  const found = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return BigInt(`0x${found?.[1] ?? '0'}`);
}

function mask(names: readonly string[]): bigint {
  return names.reduce((sum, name) => sum | (1n << BigInt(KEPT[name]?.bit ?? 63)), 0n);
}

/**
 * Makes sure that this process has the capabilities that the monitor uses and no others: executes the same program once more through
 * `setpriv` where it has more (the process id stays, so a service manager sees nothing of it). Returns when nothing is left to drop.
 *
 * @throws PersonError that names the missing capability
 */
export function confine(knockPort: number): void {
  const wanted = Object.keys(KEPT);
  const effective = capabilities('CapEff');
  const missing = wanted.filter((name) => (effective & mask([name])) === 0n);
  if (missing.length > 0) {
    const first = missing[0] ?? '';
    throw new PersonError(`this process lacks the capability CAP_${missing.join(', CAP_').toUpperCase()}`, {
      hint: `run it as root, or give the service ${missing.map((name) => `CAP_${name.toUpperCase()}`).join(' ')}: it ${KEPT[first]?.why ?? ''}`,
    });
  }
  // a knock port below 1024 is bound by the monitor itself
  const bind = knockPort < 1024 ? 1n << 10n : 0n;
  const surplus = capabilities('CapBnd') & ~(mask(wanted) | bind);
  if (surplus === 0n) return;
  if (process.env[MARK] !== undefined)
    throw new Error('setpriv did not drop the capabilities that the monitor does not use');
  const setpriv = SETPRIV.find((path) => existsSync(path));
  if (setpriv === undefined) {
    throw new PersonError('setpriv was not found in /usr/bin', { hint: 'install the package util-linux' });
  }
  const keep = [...wanted, ...(bind === 0n ? [] : ['net_bind_service'])].map((name) => `+${name}`).join(',');
  const [script = '', ...rest] = process.argv.slice(1);
  process.execve?.(
    setpriv,
    [
      'setpriv',
      `--bounding-set=-all,${keep}`,
      '--inh-caps=-all',
      '--',
      process.execPath,
      ...NODE_FLAGS.filter((flag) => !process.execArgv.includes(flag)),
      ...process.execArgv,
      script,
      ...rest,
    ],
    { ...definedEnvironment(), [MARK]: '1' },
  );
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
