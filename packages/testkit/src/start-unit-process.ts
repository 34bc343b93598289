/**
 * Runs a unit's ExecStart as systemd would, where PID 1 is something else: start-unit-process.ts ROOT UNIT. It must be in a mount namespace
 * of its own; ROOT is the tree that the service shall see. Every setting of [Service] is either put into effect here or named in
 * ELSEWHERE with the reason why it is not; another one is an error, so that this file cannot fall behind the unit.
 */
import koffi from 'koffi';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { allowedCalls, section, values } from './systemd-unit.ts';

/** What is not put into effect here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  Type: 'whoever starts this waits for READY=1',
  NotifyAccess: 'the same',
  ExecStart: 'what is run',
  ExecReload: 'for systemctl reload',
  Restart: 'for PID 1',
  RestartSec: 'for PID 1',
  TimeoutStartSec: 'for PID 1',
  TimeoutStopSec: 'for PID 1',
  KillMode: 'for PID 1',
  OOMScoreAdjust: 'no restriction; a container may not let it be lowered',
  StateDirectoryMode: 'with StateDirectory',
  RuntimeDirectoryMode: 'with RuntimeDirectory',
  SystemCallErrorNumber: 'with SystemCallFilter',
  SystemCallArchitectures: 'libseccomp knows the native one only, and refuses others',
  DevicePolicy: 'needs a control group of systemd',
  PrivateDevices: 'ROOT has no other devices than those that this setting leaves',
  PrivateMounts: 'the mount namespace',
  ProtectClock: 'its calls are not in the filter, its capability is not in the set',
  ProtectControlGroups: 'ROOT has no /sys/fs/cgroup',
  ProtectHostname: 'its calls are not in the filter',
  ProtectKernelLogs: 'its call is not in the filter, its device not in ROOT',
  ProtectKernelModules: 'its calls are not in the filter, its capability is not in the set',
  LockPersonality: 'personality is taken out of the filter below',
  RestrictRealtime: 'its calls are not in the filter',
  RestrictSUIDSGID: 'not reproduced: no file of ours has such a bit',
};
const HANDLED = new Set([
  ...['Environment', 'UMask', 'StateDirectory', 'RuntimeDirectory', 'ReadWritePaths', 'ProtectSystem'],
  ...['ProtectHome', 'ProtectProc', 'ProtectKernelTunables', 'PrivateTmp', 'CapabilityBoundingSet', 'NoNewPrivileges'],
  ...['RestrictAddressFamilies', 'RestrictNamespaces', 'SystemCallFilter', 'LimitCORE'],
]);

const [root = '', unitFile = ''] = process.argv.slice(2);
const settings = section(readFileSync(unitFile, 'utf8'), 'Service');
for (const [name] of settings) {
  if (!HANDLED.has(name) && ELSEWHERE[name] === undefined) throw new Error(`${name}= is not known here`);
}
const one = (name: string): string | undefined => values(settings, name).at(-1);
const words = (name: string): string[] => values(settings, name).flatMap((value) => value.split(' '));
const mount = (...args: string[]): void => {
  execFileSync('mount', args, { stdio: ['ignore', 'inherit', 'inherit'] });
};

// --- the file system ---------------------------------------------------------------------------------------------------------------

const made = [
  ...words('StateDirectory').map((name) => `/var/lib/${name}`),
  ...words('RuntimeDirectory').map((name) => `/run/${name}`),
];
for (const path of made) mkdirSync(join(root, path), { recursive: true, mode: 0o700 });
for (const path of [...made, ...words('ReadWritePaths')]) mount('--bind', join(root, path), join(root, path));
if (one('ProtectSystem') !== 'strict') throw new Error('only ProtectSystem=strict is known here');
for (const path of ['', '/run']) mount('-o', 'remount,bind,ro', join(root, path));
if (one('ProtectProc') === 'invisible') mount('-t', 'proc', '-o', 'hidepid=invisible', 'proc', join(root, 'proc'));
if (one('ProtectKernelTunables') === 'yes') {
  mount('--bind', join(root, 'proc/sys'), join(root, 'proc/sys'));
  mount('-o', 'remount,bind,ro', join(root, 'proc/sys'));
}
const hidden = one('ProtectHome') === 'yes' ? ['/home', '/root'] : [];
for (const path of hidden) mount('-t', 'tmpfs', '-o', 'ro,mode=000', 'tmpfs', join(root, path));
const temporary = one('PrivateTmp') === 'yes' ? ['/tmp', '/var/tmp'] : [];
for (const path of temporary) mount('-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', join(root, path));

// --- the process -------------------------------------------------------------------------------------------------------------------

const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const ALLOW = 0x7fff_0000;
const FAIL = { EPERM: 0x0005_0001, ENOSYS: 0x0005_0026 } as const;
const FAMILIES: Readonly<Record<string, number>> = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  AF_PACKET: 17,
};
/** CLONE_NEW* of linux/sched.h, all of them. */
const NAMESPACES = 0x7e02_0080;
const COMPARE = { equal: 4, masked: 7 } as const;

const libc = koffi.load('libc.so.6');
const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)') as (
  ...args: number[]
) => number;
const chroot = libc.func('int chroot(const char *)') as (path: string) => number;
const library = koffi.load('libseccomp.so.2');
const init = library.func('void *seccomp_init(uint32_t)') as (action: number) => unknown;
const resolveName = library.func('int seccomp_syscall_resolve_name(const char *)') as (name: string) => number;
const addRule = library.func('int seccomp_rule_add_array(void *, uint32_t, int, unsigned int, void *)') as (
  context: unknown,
  action: number,
  call: number,
  count: number,
  comparisons: Uint8Array,
) => number;
const load = library.func('int seccomp_load(void *)') as (context: unknown) => number;

function must(result: number, what: string): void {
  if (result !== 0) throw new Error(`${what}: ${String(result)}`);
}

/** A struct scmp_arg_cmp: argument 0 against a value, or under a mask. */
function comparison(operation: number, a: number, b = 0): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, operation, true);
  view.setBigUint64(8, BigInt(a), true);
  view.setBigUint64(16, BigInt(b), true);
  return bytes;
}

/** The filter of SystemCallFilter, RestrictAddressFamilies, RestrictNamespaces and LockPersonality. */
function makeFilter(): unknown {
  const filter = init(FAIL.EPERM);
  const allow = (call: string, ...rules: Uint8Array[]): void => {
    const number = resolveName(call);
    // Calls of other architectures have negative numbers.
    if (number < 0) return;
    if (rules.length === 0) must(addRule(filter, ALLOW, number, 0, new Uint8Array(24)), call);
    for (const rule of rules) must(addRule(filter, ALLOW, number, 1, rule), call);
  };
  const families = words('RestrictAddressFamilies').map((name) => comparison(COMPARE.equal, FAMILIES[name] ?? -1));
  const restricted: Readonly<Record<string, () => void>> = {
    socket: () => {
      allow('socket', ...families);
    },
    clone: () => {
      allow('clone', comparison(COMPARE.masked, NAMESPACES, 0));
    },
    clone3: () => {
      must(addRule(filter, FAIL.ENOSYS, resolveName('clone3'), 0, new Uint8Array(24)), 'clone3');
    },
    unshare: () => undefined,
    setns: () => undefined,
    personality: () => undefined,
  };
  if (one('RestrictNamespaces') !== 'yes') throw new Error('only RestrictNamespaces=yes is known here');
  for (const call of allowedCalls(values(settings, 'SystemCallFilter')))
    (
      restricted[call] ??
      (() => {
        allow(call);
      })
    )();
  return filter;
}

const filter = makeFilter();
const capabilities = execFileSync('setpriv', ['--list-caps'], { encoding: 'utf8' }).trim().split('\n');
const kept = new Set(words('CapabilityBoundingSet').map((name) => name.replace('CAP_', '').toLowerCase()));
const core = one('LimitCORE');
if (core !== undefined) execFileSync('prlimit', [`--pid=${String(process.pid)}`, `--core=${core}`]);
must(chroot(root), 'chroot');
process.chdir('/');
process.umask(Number.parseInt(one('UMask') ?? '022', 8));
capabilities.forEach((name, bit) => {
  if (!kept.has(name)) must(prctl(PR_CAPBSET_DROP, bit, 0, 0, 0), name);
});
if (one('NoNewPrivileges') === 'yes') must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'no_new_privs');
// The calling thread's filter goes with the execve.
must(load(filter), 'seccomp_load');
const [program = '', ...args] = (one('ExecStart') ?? '').split(' ');
const given: Record<string, string> = Object.fromEntries(
  words('Environment').map((line) => line.split('=') as [string, string]),
);
const { NOTIFY_SOCKET } = process.env;
process.execve?.(program, [program, ...args], {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin',
  LANG: 'C.UTF-8',
  ...given,
  ...(NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET }),
});
