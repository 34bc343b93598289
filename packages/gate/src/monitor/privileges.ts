import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { PersonError } from '@postern/terminal';

interface Capability {
  /** Number in capability(7). */
  readonly bit: number;
  readonly why: string;
}

/** What the monitor uses, and what for. Everything else is dropped before it reads a packet's fruit. */
const KEPT: Readonly<Record<string, Capability>> = {
  net_admin: { bit: 12, why: 'sets elements and rules in nftables' },
  net_raw: { bit: 13, why: 'opens packet sockets' },
  setuid: { bit: 7, why: 'starts the sentry as another user' },
  setgid: { bit: 6, why: 'starts the sentry without groups' },
  setpcap: { bit: 8, why: 'starts the sentry without capabilities' },
  kill: { bit: 5, why: 'ends a sentry that hangs' },
};
/** One more, where the monitor itself must bind a low port. */
const LOW_PORT: Readonly<Record<string, Capability>> = {
  net_bind_service: { bit: 10, why: 'hears knocks at a port below 1024' },
};

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'];
/**
 * A small young generation, an old one that is collected early and put together again (V8 lets a small heap grow to several times of what lives in it;
 * decision 0016), and few threads, for memory; code that is compiled early and kept, because knocks are rare and each should be
 * answered as fast as in a loop (decision 0006).
 */
const NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--optimize-for-size',
  '--v8-pool-size=1',
  '--no-lazy-feedback-allocation',
  '--no-flush-bytecode',
];
const MARK = 'POSTERN_CONFINED';

function capabilities(field: 'CapEff' | 'CapBnd'): bigint {
  const found = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return BigInt(`0x${found?.[1] ?? '0'}`);
}

function mask(all: readonly Capability[]): bigint {
  return all.reduce((sum, { bit }) => sum | (1n << BigInt(bit)), 0n);
}

/**
 * Makes sure that this process has the capabilities that the monitor uses and no others: executes the same program once more through
 * `setpriv` where it has more (the process id stays, so a service manager sees nothing of it). Returns when nothing is left to drop.
 *
 * @throws PersonError that names the missing capability
 */
export function confine(knockPort: number): void {
  const wanted = { ...KEPT, ...(knockPort < 1024 ? LOW_PORT : {}) };
  const effective = capabilities('CapEff');
  const missing = Object.entries(wanted).filter(([, capability]) => (effective & mask([capability])) === 0n);
  const [first] = missing;
  if (first !== undefined) {
    const names = missing.map(([name]) => `CAP_${name.toUpperCase()}`);
    throw new PersonError(`this process lacks the capability ${names.join(', ')}`, {
      hint: `run it as root, or give the service ${names.join(' ')}: it ${first[1].why}`,
    });
  }
  const surplus = capabilities('CapBnd') & ~mask(Object.values(wanted));
  if (surplus === 0n) return;
  if (process.env[MARK] !== undefined)
    throw new Error('setpriv did not drop the capabilities that the monitor does not use');
  const setpriv = SETPRIV.find((path) => existsSync(path));
  if (setpriv === undefined) {
    throw new PersonError('setpriv was not found in /usr/bin', { hint: 'install the package util-linux' });
  }
  const keep = `-all,${Object.keys(wanted)
    .map((name) => `+${name}`)
    .join(',')}`;
  // Root has them after exec because it is root; anybody else must be given them.
  const given = process.getuid?.() === 0 ? '-all' : keep;
  const [script = '', ...rest] = process.argv.slice(1);
  process.execve?.(
    setpriv,
    [
      'setpriv',
      `--bounding-set=${keep}`,
      `--inh-caps=${given}`,
      `--ambient-caps=${given}`,
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
