/**
 * A sentry that was taken over: the very start-up of the real one, then whatever an attacker would try. Says on standard error
 * `attempts: N, allowed: NAMES`, waits for one honest knock, says `flood: N frames`, forwards the honest knock, then serves nothing. For
 * `hostile.test.ts`.
 */
import koffi from 'koffi';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { importStaticPrivate, KEYED, REFUSALS, slotOf, STATEMENT, type UnixMicros } from '@postern/protocol';
import { FRAME, FROM_SENTRY, KNOCK_COUNTERS, SENTRY_FD } from '../line/frame.ts';
import { encodeSentryFrame, type RequestFrame } from '../line/codec.ts';
import { packetCapture } from '../sentry/capture.ts';
import { Pipeline } from '../sentry/pipeline.ts';
import { start } from '../sentry/start.ts';
import * as libc from '../system/libc.ts';

const library = koffi.load(null);
const syscall = library.func('long syscall(long, long, long, long, long, long, long)') as (
  number: number,
  ...args: [number, number, number, number, number, number]
) => number;
const send = library.func('long send(int, void *, size_t, int)') as (
  fd: number,
  bytes: Uint8Array,
  size: number,
  flags: number,
) => number;

/** System calls that would be a way out, by their numbers on x86_64, with arguments that could succeed. */
const WAYS_OUT: readonly [name: string, number: number, ...args: number[]][] = [
  ['open', 2, 0],
  ['openat', 257, -100, 0],
  ['openat2', 437, -100, 0],
  ['creat', 85, 0],
  ['socket udp', 41, 2, 2, 0],
  ['socket packet', 41, 17, 3, 0x0300],
  ['socket netlink', 41, 16, 3, 12],
  ['socketpair', 53, 1, 1, 0],
  ['dup', 32, SENTRY_FD.packet4],
  ['dup2', 33, SENTRY_FD.packet4, 50],
  ['dup3', 292, SENTRY_FD.packet4, 50, 0],
  ['fork', 57],
  ['vfork', 58],
  ['clone', 56, 17],
  ['clone3', 435, 0, 0],
  ['execve', 59, 0, 0, 0],
  ['execveat', 322, -100, 0],
  ['ptrace', 101, 0],
  ['process_vm_readv', 310, 1],
  ['process_vm_writev', 311, 1],
  ['pidfd_open', 434, 1, 0],
  ['pidfd_getfd', 438, 0, 0],
  ['bpf', 321, 0],
  ['io_uring_setup', 425, 1, 0],
  ['perf_event_open', 298, 0],
  ['userfaultfd', 323, 0],
  ['memfd_create', 319, 0],
  ['unshare', 272, 0x10000000],
  ['setns', 308, 0, 0],
  ['mount', 165, 0],
  ['chroot', 161, 0],
  ['setuid', 105, 0],
  ['capset', 126, 0, 0],
  ['prctl', 157, 4, 1],
  ['seccomp', 317, 1, 0, 0],
  ['kill', 62, 1, 0],
  ['kill everybody', 62, -1, 0],
  ['bind packet', 49, SENTRY_FD.packet4, 0, 20],
  ['connect packet', 42, SENTRY_FD.packet4, 0, 20],
  ['detach filter', 54, SENTRY_FD.packet4, 1, 27, 0, 0],
  ['ioctl packet', 16, SENTRY_FD.packet4, 0x8913, 0],
  ['fcntl packet', 72, SENTRY_FD.packet4, 0, 0],
  ['write packet', 1, SENTRY_FD.packet4, 0, 0],
  ['sendto packet', 44, SENTRY_FD.packet4, 0, 0, 0, 0],
  ['sendmsg packet', 46, SENTRY_FD.packet4, 0, 0],
  ['sendmmsg packet', 307, SENTRY_FD.packet4, 0, 0, 0],
  ['splice packet', 275, SENTRY_FD.line, 0, SENTRY_FD.packet4, 0, 1],
  ['sendmsg on the line (passes descriptors)', 46, SENTRY_FD.line, 0, 0],
  ['x32 getpid', 0x40000000 + 39],
];

const SIGN_OF_LIFE = {
  type: 'report',
  counters: new Uint32Array(REFUSALS.length),
  knocks: new Uint32Array(KNOCK_COUNTERS.length),
} as const;

let attempts = 0;
const allowed: string[] = [];

function say(text: string): void {
  writeSync(2, `${text}\n`);
}

function attempt(name: string, denied: () => boolean): void {
  let result: boolean;
  try {
    result = denied();
  } catch {
    result = true;
  }
  attempts++;
  if (!result) allowed.push(name);
}

/** The most that the kernel takes until the monitor has read: an attacker is patient. */
function push(bytes: Uint8Array): void {
  while (send(SENTRY_FD.line, bytes, bytes.length, 0x4000) < 0) {
    if (koffi.errno() !== libc.ERRNO.EINTR) throw new Error(`the line broke: errno ${String(koffi.errno())}`);
  }
}

const { line, setup, keys } = start();
for (const [name, number, ...args] of WAYS_OUT) {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  attempt(name, () => syscall(number, a, b, c, d, e, f) === -1 && koffi.errno() === libc.ERRNO.EPERM);
}
attempt('node opens a file', () => (closeSync(openSync('/etc/hostname', 'r')), false));
attempt('node lists a directory', () => (readdirSync('/'), false));
attempt('node runs a program', () => spawnSync('/bin/true').error !== undefined);
say(`attempts: ${String(attempts)}, allowed: ${allowed.join(', ') || 'none'}`);

// Wait for one honest knock: an attacker in this place sees what devices sign.
const pipeline = new Pipeline(
  { 1: importStaticPrivate(1, setup.x25519), 2: importStaticPrivate(2, setup.xwing) },
  false,
);
const clock = (): UnixMicros => (Date.now() * 1000) as UnixMicros;
pipeline.setKeys([keys.current], clock());
const capture = packetCapture(SENTRY_FD.packet4, 4, setup.port);
say('waiting for a knock');
const polled = libc.fixedBytes(8);
new DataView(polled.buffer).setInt32(0, capture.fd, true);
new DataView(polled.buffer).setInt16(4, libc.POLL.in, true);
let honest: RequestFrame | undefined;
while (honest === undefined) {
  libc.poll(polled, 5_000);
  // a sign of life, or the monitor would end us before we begin
  line.send(SIGN_OF_LIFE);
  if (capture.next() !== 'datagram') continue;
  const { datagram, buffer } = capture;
  const opened = pipeline.receive(buffer.subarray(datagram.from, datagram.to), datagram.source, 4, clock());
  if (!opened.ok) continue;
  const { suite, nonce, encHash, plaintext } = opened.value.unsealed;
  const address = datagram.source.slice();
  honest = {
    type: 'request',
    suite,
    gateKey: 0,
    serial: keys.serial,
    family: 4,
    id: 7,
    address,
    port: datagram.sourcePort,
    nonce,
    encHash,
    plaintext,
    knockKey: undefined,
  };
}

const genuine = encodeSentryFrame(honest);
const mutable = [1, 8, 32, 40, ...Array.from({ length: STATEMENT.end }, (_, i) => 72 + i)];
let frames = 0;
const random = (below: number): number => randomBytes(4).readUInt32BE(0) % below;
for (let round = 0; round < 60_000; round++, frames++) {
  // structured: the honest request with its source moved to the attacker, or any signed byte changed
  const frame = genuine.slice();
  if (round % 3 === 0) frame.set([10, 77, 0, 66], 20);
  const at = mutable[random(mutable.length)] ?? 72;
  frame[at] = (frame[at] ?? 0) ^ (1 + random(255));
  push(frame);
}
const attacker = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 66);
const slot = slotOf(clock());
for (let round = 0; round < 20_000; round++, frames++) {
  // port knocks that nobody sent, in the form that they would have; the device's own set of this slot is on the line, but not the bound one
  const numbers = new Set<number>();
  while (numbers.size < KEYED.ring) numbers.add(KEYED.first + random(KEYED.range));
  const from = { family: 4, source: attacker } as const;
  const event =
    round % 4 === 0
      ? ({ type: 'door', door: random(3), sequence: 0, serial: random(3), destination: attacker, ...from } as const)
      : ({ type: 'knocked', ordinal: random(3), slot: slot + random(3) - 1, ...from } as const);
  push(encodeSentryFrame(event.type === 'door' ? event : { ...event, numbers: Uint16Array.from(numbers) }));
}
for (let round = 0; round < 60_000; round++, frames++) {
  const frame = new Uint8Array(randomBytes(FRAME));
  // half of them at least of a known type
  if (round % 2 === 0) frame[0] = [FROM_SENTRY.ready, FROM_SENTRY.request, FROM_SENTRY.report][round % 3] ?? 1;
  push(frame);
}
say(`flood: ${String(frames)} frames`);
// the limits of the line forgive within a second or two
libc.poll(polled.subarray(0, 0), 4_000);
push(genuine);
push(genuine);
say('forwarded the honest knock twice');
for (;;) {
  line.send(SIGN_OF_LIFE);
  libc.poll(polled.subarray(0, 0), 5_000);
}
