import type { Configuration } from '../config/model.ts';
import type { Finding } from './finding.ts';
import type { FileFacts, HostFacts } from './host-facts.ts';

/**
 * What the kernel charges against net.core.optmem_max for the longest knock filter, with the short one that holds its place during a
 * swap: measured on Linux 6.18 x86_64 as 14,913 bytes with two tags (always), 27,073 with four (during a change of gate keys), and
 * 1,193 for the short one; rounded up.
 */
const OPTMEM_ALWAYS = 16_384;
const OPTMEM_ROTATING = 28_672;

const OPTMEM_MEND =
  "echo 'net.core.optmem_max = 131072' > /etc/sysctl.d/90-postern.conf && sysctl --system, then restart posternd";

function writableByOthers(files: readonly FileFacts[], own: number): Finding[] {
  return files
    .filter(({ uid, mode }) => (mode & 0o022) !== 0 || (uid !== 0 && uid !== own))
    .map(({ path, uid, mode }) => ({
      severity: 'error',
      code: 'configuration-writable',
      what: `${path} can be changed by others than root (owner ${uid}, mode ${mode.toString(8).padStart(4, '0')})`,
      why: 'whoever can write there can give themselves a device and every service',
      mend: (mode & 0o022) !== 0 ? `chmod go-w ${path}` : `chown root: ${path}`,
    }));
}

function sentry(configuration: Configuration, facts: HostFacts): Finding[] {
  const { sentryUser: name } = configuration;
  if (facts.sentryUser === undefined) {
    return [
      {
        severity: 'error',
        code: 'sentry-user-missing',
        what: `the system user ${name}, as whom the sentry runs, does not exist`,
        why: "what reads strangers' packets must run as a user that owns nothing, so posternd does not start",
        mend: `useradd --system --no-create-home --shell /usr/sbin/nologin ${name}`,
      },
    ];
  }
  if (facts.sentryUser.uid === 0) {
    return [
      {
        severity: 'error',
        code: 'sentry-user-root',
        what: `the sentry's user ${name} has the id 0`,
        why: "what reads strangers' packets must not be root",
        mend: `set \`sentry_user\` in [gate] of ${configuration.file} to another user`,
      },
    ];
  }
  if (name !== 'nobody') return [];
  return [
    {
      severity: 'warning',
      code: 'sentry-user-shared',
      what: 'the sentry runs as nobody',
      why: 'other programs run as nobody too, and processes of one user can reach into each other',
      mend: 'useradd --system --no-create-home --shell /usr/sbin/nologin postern, then restart posternd',
    },
  ];
}

function optmem(bytes: number | undefined): Finding[] {
  if (bytes === undefined || bytes >= OPTMEM_ROTATING) return [];
  const always = bytes < OPTMEM_ALWAYS;
  return [
    {
      severity: 'warning',
      code: 'optmem-small',
      what: `net.core.optmem_max is ${bytes} bytes; the knock filter ${always ? `takes up to ${OPTMEM_ALWAYS}` : `takes up to ${OPTMEM_ROTATING} while gate keys change`}`,
      why: `${always ? 'the' : 'then the'} kernel cannot check tags, so that every packet of a knock's form wakes the sentry`,
      mend: OPTMEM_MEND,
    },
  ];
}

/** Judges the host. Pure; `own` is the user id of this process. */
export function judgeHost(configuration: Configuration, facts: HostFacts, own: number): Finding[] {
  const found: Finding[] = [];
  if (facts.key !== undefined) {
    found.push({
      severity: 'error',
      code: 'gate-key',
      what: facts.key.message,
      why: 'posternd does not start without its secret keys, or with keys that others may know',
      mend: facts.key.hint,
    });
  }
  found.push(...writableByOthers(facts.files, own), ...sentry(configuration, facts));
  if (!facts.setpriv) {
    found.push({
      severity: 'error',
      code: 'setpriv-missing',
      what: 'the program setpriv is not in /usr/bin',
      why: 'posternd takes away its own rights with it, and does not start with more than it needs',
      mend: 'apt install util-linux',
    });
  }
  if (!facts.libnftables) {
    found.push({
      severity: 'error',
      code: 'libnftables-missing',
      what: 'the library libnftables.so.1 cannot be loaded',
      why: 'posternd writes its firewall rules with it, and does not start without',
      mend: 'apt install libnftables1',
    });
  }
  if (facts.state !== undefined && (facts.state.mode & 0o077) !== 0) {
    found.push({
      severity: 'warning',
      code: 'state-open',
      what: `${facts.state.path} is open to others than root (mode ${facts.state.mode.toString(8).padStart(4, '0')})`,
      why: 'the state tells who knocked when and from where',
      mend: `chmod 700 ${facts.state.path}`,
    });
  }
  if (facts.socket !== undefined && (facts.socket.mode & 0o077) !== 0) {
    found.push({
      severity: 'error',
      code: 'socket-open',
      what: `${facts.socket.path} is open to others than root (mode ${facts.socket.mode.toString(8).padStart(4, '0')})`,
      why: 'whoever reaches it can do what the commands do',
      mend: `chmod 600 ${facts.socket.path}`,
    });
  }
  found.push(...optmem(facts.optmem));
  if (facts.passedOver.length > 0) {
    found.push({
      severity: 'note',
      code: 'users-passed-over',
      what: `${configuration.usersDirectory} holds files that are passed over: ${facts.passedOver.slice(0, 5).join(', ')}`,
      why: 'only files that end with .toml and do not begin with a dot are users',
    });
  }
  return found;
}
