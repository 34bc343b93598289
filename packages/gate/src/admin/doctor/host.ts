/** What the host itself lacks: its clock, its rights, its age. Pure. */
import type { Finding } from '../finding.ts';
import type { Subject } from './examiner.ts';

/** A clock that nobody keeps. */
export function clock({ facts }: Subject): Finding[] {
  if (facts.clockKept !== false) return [];
  return [
    {
      severity: 'warning',
      code: 'clock-unkept',
      what: "nothing keeps this host's clock (the kernel calls it unsynchronised)",
      why: 'a request is fresh for two minutes: when the clock drifts further, each device needs one more packet to learn by how much, and expiry dates are off',
      mend: 'timedatectl set-ntp true, or: apt install chrony',
    },
  ];
}

/** Capabilities without which posternd does not start: a container that was given too few. */
export function capabilities({ facts, running }: Subject): Finding[] {
  if (running || facts.missingCapabilities.length === 0) return [];
  const names = facts.missingCapabilities;
  return [
    {
      severity: 'error',
      code: 'capabilities-missing',
      what: `this process lacks ${names.join(', ')}`,
      why: 'posternd sets firewall rules and opens packet sockets with them, and does not start without',
      mend: `run it as root; in a container: ${names.map((name) => `--cap-add ${name.replace('CAP_', '')}`).join(' ')}`,
    },
  ];
}

/** A kernel that is older than those that this was made for. */
export function versions({ facts: { kernel } }: Subject): Finding[] {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  if (Number.isNaN(major + minor) || major > 6 || (major === 6 && minor >= 1)) return [];
  return [
    {
      severity: 'note',
      code: 'kernel-old',
      what: `the kernel is ${kernel}`,
      why: 'what posternd uses of nftables is what Linux 6.1 has; older ones were not tried',
    },
  ];
}
