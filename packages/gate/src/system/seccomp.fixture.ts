/**
 * Enters the sandbox and then tries what a taken-over process would try, for tests. Descriptors 4 to 7 are whatever the test puts there.
 * Tells one line of JSON: the result of each attempt, by name; an errno's name, or `done`.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import process from 'node:process';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type FwknopHmac, FwknopKeyring } from '@postern/protocol/fwknop';
import * as libc from './libc.ts';
import { enterSandbox } from './seccomp.ts';

type Outcome = string;

function outcome(result: number): Outcome {
  return result < 0 ? libc.errnoName(result) : 'done';
}

function attempt(act: () => unknown): Outcome {
  try {
    act();
    return 'done';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

const none = libc.fixedBytes(64);
const path = libc.fixedBytes(16);
path.set(Buffer.from('/etc/passwd\0'));
const raw = (number: number, a = 0, b = 0): Outcome => outcome(libc.syscall(number, a, b, none));

/** x86_64 numbers of what nobody in the sandbox may do. */
const FORBIDDEN = {
  open: 2,
  pipe: 22,
  dup: 32,
  dup2: 33,
  connect: 42,
  accept: 43,
  shutdown: 48,
  bind: 49,
  socketpair: 53,
  setsockopt: 54,
  clone: 56,
  fork: 57,
  vfork: 58,
  execve: 59,
  kill: 62,
  ptrace: 101,
  setuid: 105,
  prctl: 157,
  mount: 165,
  openat: 257,
  unshare: 272,
  splice: 275,
  tee: 276,
  vmsplice: 278,
  signalfd4: 289,
  eventfd2: 290,
  dup3: 292,
  perf_event_open: 298,
  sendmmsg: 307,
  recvmmsg: 299,
  setns: 308,
  process_vm_readv: 310,
  process_vm_writev: 311,
  memfd_create: 319,
  bpf: 321,
  execveat: 322,
  userfaultfd: 323,
  sendfile: 40,
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  pidfd_open: 434,
  clone3: 435,
  openat2: 437,
  pidfd_getfd: 438,
  creat: 85,
  ioctl: 16,
  lseek: 8,
  stat: 4,
  statx: 332,
  newfstatat: 262,
  x32_socket: 0x40000000 + 41,
} as const;

process.stdout.write('');
process.stderr.write('');
createHash('sha256').update(randomBytes(8)).digest();
// libuv hands its descriptors to epoll through an io_uring, in the first turn of its loop: for the timer that must be over.
await setImmediate();
enterSandbox();

const hmacKey = (): FwknopHmac => ({ digest: 'sha256', key: new Uint8Array(randomBytes(64)) });
const told: Record<string, Outcome> = {};
for (const [name, number] of Object.entries(FORBIDDEN)) told[name] = raw(number, 0x7fff, 0);
const { AF_PACKET, SOCK_DGRAM, SOL_SOCKET, SO_ATTACH_FILTER } = libc.SOCKET;
told['packet socket'] = outcome(libc.socket(AF_PACKET, SOCK_DGRAM, 0));
told['filter off'] = outcome(libc.setOption(4, SOL_SOCKET, SO_ATTACH_FILTER, none));
for (const fd of [4, 5, 8, 9]) {
  told[`send ${String(fd)}`] = outcome(libc.send(fd, none, 0));
  told[`write ${String(fd)}`] = attempt(() => writeSync(fd, none));
  told[`sendmsg ${String(fd)}`] = outcome(libc.sendMessage(fd, libc.messageHeader(none, none, none).bytes, 0));
}
told['write 6'] = attempt(() => writeSync(6, none));
told['sendmsg line'] = outcome(libc.sendMessage(3, libc.messageHeader(none, none, none).bytes, 0));
told['send line'] = outcome(libc.send(3, none, 0));
told['read a file'] = attempt(() => readFileSync('/etc/passwd'));
told['make a file'] = attempt(() => openSync('/tmp/postern-sandbox', 'w'));
told['list'] = attempt(() => readdirSync('/proc'));
told['program'] = attempt(() => {
  const { error } = spawnSync('/bin/true');
  if (error !== undefined) throw error;
});
told['thread'] = attempt(() => new Worker('', { eval: true }));

// What must go on: garbage, compiled code, cryptography, timers.
let garbage: { index: number; text: string }[] = [];
for (let index = 0; index < 3_000_000; index++) {
  garbage.push({ index, text: String(index) });
  if (garbage.length > 50_000) garbage = [];
}
told['crypto'] = attempt(() =>
  createHash('sha256')
    .update(randomBytes(1 << 20))
    .digest('hex'),
);
// Keyrings come with the configuration, so their WebAssembly does, too: compiled here, and compiled again when it has run for a while.
told['keys together'] = attempt(() => {
  for (let number = 0; number < 30; number++) {
    const keyring = new FwknopKeyring(Array.from({ length: 1000 }, () => ({ kind: 'gpg', hmac: hmacKey() })));
    if (!keyring.together) throw new Error('one by one');
    for (let packet = 0; packet < 10; packet++) keyring.open(new Uint8Array(1024).fill(0x41));
  }
});
setTimeout(() => {
  told['timer'] = 'done';
  writeSync(1, `${JSON.stringify(told)}\n`);
  libc.exitNow(0);
}, 10);
