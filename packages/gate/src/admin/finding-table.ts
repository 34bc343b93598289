import type { Severity } from './severity.ts';

/** What is told of a kind of finding in the reference. */
export interface FindingKind {
  /** How bad it can be. */
  readonly severities: readonly Severity[];
  /** When it is found: a sentence without a full stop. */
  readonly means: string;
  /** Only `doctor` looks for it. */
  readonly doctor?: true;
}

const [error, warning, note]: readonly [Severity, Severity, Severity] = ['error', 'warning', 'note'];

/** Name of a kind of finding: stable, for scripts. */
export type FindingCode =
  | 'not-running'
  | 'door-port-in-use'
  | 'knocks-need-packets'
  | 'gate-key'
  | 'configuration-writable'
  | 'sentry-user-missing'
  | 'sentry-user-root'
  | 'sentry-user-shared'
  | 'setpriv-missing'
  | 'libnftables-missing'
  | 'capabilities-missing'
  | 'state-open'
  | 'socket-open'
  | 'optmem-small'
  | 'users-passed-over'
  | 'no-addresses'
  | 'no-services'
  | 'protected-without-devices'
  | 'service-without-users'
  | 'service-open'
  | 'user-without-devices'
  | 'user-without-services'
  | 'invite-expires'
  | 'rules-stop-granted'
  | 'rules-unclear'
  | 'rules-unread'
  | 'untracked'
  | 'knocks-stopped'
  | 'receipts-stopped'
  | 'not-forwarding'
  | 'clock-unkept'
  | 'no-unit'
  | 'not-enabled'
  | 'late-at-boot'
  | 'kernel-old'
  | 'answers-strangers'
  | 'hears-strangers'
  | 'published'
  | 'protected-but-open'
  | 'dark-but-open'
  | 'closed-ports-answer'
  | 'echo-answers'
  | 'door-weak'
  | 'door-rating'
  | 'knockd-door'
  | 'keyed-work'
  | 'fwknop-no-hmac'
  | 'fwknop-old-digest'
  | 'fwknop-old-mode'
  | 'fwknop-shared-keys'
  | 'fwknop-commands-anywhere'
  | 'fwknop-commands-root'
  | 'fwknop-gpg-home'
  | 'fwknop-answers'
  | 'fwknop-range'
  | 'fwknop-opens-nothing'
  | 'sshd-empty-passwords'
  | 'sshd-passwords'
  | 'sshd-root'
  | 'sshd-grace'
  | 'sshd-dns';

/** Every kind of finding by its code: `docs/reference/findings.md` is made from it. */
export const FINDINGS: Readonly<Record<FindingCode, FindingKind>> = {
  'not-running': {
    severities: [error, warning],
    means: 'The daemon does not answer; an error when a service is protected',
  },
  'gate-key': { severities: [error], means: 'gate.key is missing, damaged, or open to others' },
  'configuration-writable': {
    severities: [error],
    means: 'Others than root can change the configuration, and so let themselves in',
  },
  'sentry-user-missing': { severities: [error], means: 'The user that the sentry runs as does not exist' },
  'sentry-user-root': { severities: [error], means: 'The user that the sentry runs as is root' },
  'sentry-user-shared': { severities: [warning], means: 'The sentry runs as nobody, as other programs do' },
  'setpriv-missing': { severities: [error], means: 'The program setpriv is missing' },
  'libnftables-missing': { severities: [error], means: 'The library of nftables is missing' },
  'capabilities-missing': {
    severities: [error],
    means: 'Who asks lacks capabilities that posternd needs, as in a container',
  },
  'state-open': { severities: [warning], means: 'The state directory is open to others than root' },
  'socket-open': { severities: [error], means: "The daemon's socket is open to others than root" },
  'optmem-small': { severities: [warning], means: 'The kernel has too little room for the knock filter' },
  'users-passed-over': { severities: [note], means: 'users.d holds files that are no users' },
  'no-addresses': { severities: [error], means: 'The gate has no address to put into invites' },
  'no-services': { severities: [warning], means: 'There is no service' },
  'protected-without-devices': { severities: [error], means: 'A service is protected, and no device may open it' },
  'service-without-users': { severities: [warning], means: 'No user may open a service' },
  'service-open': { severities: [note], means: 'A service is not protected for good' },
  'user-without-devices': { severities: [warning], means: 'Users have no device that may knock' },
  'user-without-services': { severities: [note], means: 'Users may open nothing' },
  'invite-expires': { severities: [note], means: 'An invite that nobody used ends within two hours' },
  'fwknop-no-hmac': {
    severities: [warning],
    means: 'A stanza takes packets of fwknop that nothing authenticates',
  },
  'fwknop-old-digest': { severities: [note], means: 'An HMAC of a stanza uses MD5 or SHA-1' },
  'fwknop-old-mode': { severities: [warning], means: 'A stanza takes packets in ECB or legacy mode' },
  'fwknop-shared-keys': {
    severities: [warning],
    means: 'Stanzas share keys, so that their clients cannot be told apart',
  },
  'fwknop-commands-anywhere': { severities: [warning], means: 'A stanza runs commands of clients from any address' },
  'fwknop-commands-root': { severities: [warning], means: 'Commands of a stanza run as root' },
  'fwknop-gpg-home': { severities: [error], means: 'The keyring of a stanza cannot be read' },
  'fwknop-answers': {
    severities: [note],
    means: 'Packets of fwknop are heard at a TCP port, which answers strangers where a server is behind it',
  },
  'fwknop-range': {
    severities: [note],
    means:
      'Packets of fwknop are heard at a range of UDP ports, whose closed ones answer with ICMP where no firewall drops it',
  },
  'fwknop-opens-nothing': {
    severities: [warning],
    means: 'Requests of fwknop may open ports that are in no service, so that nothing hides them',
  },
  'rules-stop-granted': {
    severities: [error],
    means:
      "The host's own firewall rules stop what a grant lets through; the one rule to add is told in the form of the tool that owns the rules: nft, iptables, ufw, firewalld",
  },
  'rules-unclear': { severities: [note], means: 'A rule that is not understood may stop what a grant lets through' },
  'rules-unread': { severities: [warning], means: "The host's firewall rules could not be read" },
  untracked: { severities: [error], means: 'A rule switches connection tracking off for the port of a service' },
  'knocks-stopped': {
    severities: [error],
    means: 'Rules stop knocks that come through an open port (`capture = "dgram"`)',
  },
  'receipts-stopped': { severities: [warning], means: 'Rules stop the receipts that devices wait for' },
  'not-forwarding': { severities: [error], means: 'A service lives on another host, and the kernel does not forward' },
  'door-port-in-use': { severities: [error], means: 'Something listens at a port that is a knock of a door' },
  'knocks-need-packets': {
    severities: [warning],
    means: 'There are doors or keyed services, and knocks are read from an open port',
  },
  'clock-unkept': { severities: [warning], means: 'Nothing keeps the clock' },
  'no-unit': {
    severities: [warning],
    means: 'systemd does not know posternd, so that a restart of the host opens what was protected',
  },
  'not-enabled': { severities: [warning], means: 'The unit is not enabled, with the same effect' },
  'late-at-boot': { severities: [warning], means: 'The unit is started after the network' },
  'kernel-old': { severities: [note], means: 'The kernel is older than 6.1' },
  'answers-strangers': {
    severities: [warning, note],
    doctor: true,
    means:
      'A TCP port that belongs to no service lets everybody in; a note where a rule that is not understood may prevent it',
  },
  'hears-strangers': {
    severities: [note],
    doctor: true,
    means: 'A UDP port that belongs to no service hears everybody',
  },
  published: {
    severities: [warning],
    doctor: true,
    means: 'A rule sends a port on to a container or another host, and everybody reaches it',
  },
  'protected-but-open': {
    severities: [error],
    doctor: true,
    means: 'A protected service answers strangers, because the rules of posternd are not there',
  },
  'dark-but-open': {
    severities: [error],
    doctor: true,
    means: 'The host is dark in the configuration, and answers strangers, because the rules of posternd are not there',
  },
  'closed-ports-answer': {
    severities: [note],
    doctor: true,
    means: 'Ports without a listener answer with a reset or an ICMP error',
  },
  'echo-answers': { severities: [note], doctor: true, means: 'The host answers ping' },
  'door-weak': {
    severities: [warning],
    doctor: true,
    means: 'A scan of all ports opens a door, or it can be guessed within a day',
  },
  'door-rating': {
    severities: [note],
    doctor: true,
    means:
      'What a door is worth, in packets: by guessing, by scans, after watching once, and how many spoofed ones cancel a knock',
  },
  'knockd-door': {
    severities: [warning, note],
    doctor: true,
    means: 'The same of a door of the knockd.conf that `--knockd` names; a warning where a scan opens it',
  },
  'keyed-work': {
    severities: [error, note],
    doctor: true,
    means:
      'How many packets open a keyed service for who has seen nothing, with the devices that there are; an error below 10^15',
  },
  'sshd-empty-passwords': { severities: [error], doctor: true, means: 'sshd lets accounts without a password in' },
  'sshd-passwords': { severities: [warning, note], doctor: true, means: 'sshd takes passwords' },
  'sshd-root': { severities: [warning], doctor: true, means: 'sshd takes a password for root' },
  'sshd-grace': { severities: [note], doctor: true, means: 'sshd waits for ever for a log-in to be finished' },
  'sshd-dns': { severities: [note], doctor: true, means: "sshd looks up the name of each client's address" },
};
