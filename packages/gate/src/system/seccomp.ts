/**
 * The sentry's sandbox: a seccomp filter (seccomp(2)) that permits a short list of system calls and fails all others with EPERM, on every
 * thread of the process and for good. What Node 24 and our loop need once they run was found with strace; nothing here opens, makes or
 * duplicates a descriptor, starts a thread or a program, or looks at another process.
 *
 * The tables of both architectures follow the kernel's headers; only that of x86_64 has been run.
 */
import process from 'node:process';
import { SENTRY_FD } from '../line/frame.ts';
import { Assembler } from './assembler.ts';
import { forbidCoreDumps, tracer } from './core-dumps.ts';
import * as libc from './libc.ts';

/** Architectures for which there is a table, as `process.arch` names them. */
export type Architecture = 'x64' | 'arm64';

/** When a system call is permitted: always, or by the low word of one argument (which is all that the kernel takes of a descriptor). */
interface Rule {
  readonly call: string;
  readonly argument?: number;
  /** Permitted for these values only. */
  readonly only?: readonly number[];
  /** Permitted for all but these values. */
  readonly except?: readonly number[];
}

const { line, packet4, packet6, udp4, udp6, knock4, knock6, fwknop4, fwknop6, gpg } = SENTRY_FD;
/** Sockets that are read, and for some of them sent from, in one way only. */
const sockets = [packet4, packet6, udp4, udp6, knock4, knock6, fwknop4, fwknop6];

/** The whole list. `pid` is the sentry's own. */
function rules(pid: number): readonly Rule[] {
  return [
    // memory: V8's heap and its compiler
    ...always('mmap', 'munmap', 'mremap', 'mprotect', 'pkey_mprotect', 'madvise', 'brk', 'membarrier'),
    // time and waiting
    ...always('clock_gettime', 'clock_getres', 'gettimeofday', 'clock_nanosleep', 'nanosleep', 'restart_syscall'),
    ...always('poll', 'ppoll', 'epoll_wait', 'epoll_pwait', 'futex', 'sched_yield'),
    // what the process may know of itself; OpenSSL asks for its pid before it gives random bytes
    ...always(
      'getpid',
      'gettid',
      'getrandom',
      'getrusage',
      'sched_getaffinity',
      'sched_getparam',
      'sched_getscheduler',
    ),
    // signals to itself: abort(3) is one
    ...always('rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn', 'sigaltstack'),
    { call: 'tgkill', argument: 0, only: [pid] },
    // knocks in, receipts out, frames both ways; sendmsg would pass descriptors over the lines, so they have plain sends only
    { call: 'recvfrom', argument: 0, only: [line, packet4, packet6, knock4, knock6, fwknop4, fwknop6, gpg] },
    { call: 'recvmsg', argument: 0, only: [udp4, udp6] },
    { call: 'sendto', argument: 0, only: [line, gpg] },
    { call: 'sendmsg', argument: 0, only: [udp4, udp6] },
    // libuv's wake-ups between threads (a refused one aborts the process), and the log
    ...always('read', 'close', 'fstat'),
    { call: 'write', argument: 0, except: sockets },
    { call: 'writev', argument: 0, except: sockets },
    { call: 'epoll_ctl', argument: 2, except: sockets },
    { call: 'fcntl', argument: 0, only: [0, 1, 2] },
    ...always('exit', 'exit_group'),
  ];
}

function always(...calls: readonly string[]): readonly Rule[] {
  return calls.map((call) => ({ call }));
}

interface Table {
  /** AUDIT_ARCH_* of linux/audit.h. */
  readonly audit: number;
  readonly seccomp: number;
  /** Numbers of the calls that this architecture has. */
  readonly calls: Readonly<Record<string, number>>;
}

/** From asm/unistd_64.h and asm-generic/unistd.h. */
const TABLES: Readonly<Record<Architecture, Table>> = {
  x64: {
    audit: 0xc000003e,
    seccomp: 317,
    calls: {
      ...{
        read: 0,
        write: 1,
        close: 3,
        fstat: 5,
        poll: 7,
        mmap: 9,
        mprotect: 10,
        munmap: 11,
        brk: 12,
        rt_sigaction: 13,
      },
      ...{ rt_sigprocmask: 14, rt_sigreturn: 15, writev: 20, sched_yield: 24, mremap: 25, madvise: 28, nanosleep: 35 },
      ...{ getpid: 39, sendto: 44, recvfrom: 45, sendmsg: 46, recvmsg: 47, exit: 60, fcntl: 72, gettimeofday: 96 },
      ...{ getrusage: 98, sigaltstack: 131, sched_getparam: 143, sched_getscheduler: 145, gettid: 186, futex: 202 },
      ...{ sched_getaffinity: 204, restart_syscall: 219, clock_gettime: 228, clock_getres: 229, clock_nanosleep: 230 },
      ...{
        exit_group: 231,
        epoll_wait: 232,
        epoll_ctl: 233,
        tgkill: 234,
        ppoll: 271,
        epoll_pwait: 281,
        getrandom: 318,
      },
      ...{ membarrier: 324, pkey_mprotect: 329 },
    },
  },
  arm64: {
    audit: 0xc00000b7,
    seccomp: 277,
    calls: {
      ...{
        epoll_ctl: 21,
        epoll_pwait: 22,
        fcntl: 25,
        close: 57,
        read: 63,
        write: 64,
        writev: 66,
        ppoll: 73,
        fstat: 80,
      },
      ...{ exit: 93, exit_group: 94, futex: 98, nanosleep: 101, clock_gettime: 113, clock_getres: 114 },
      ...{
        clock_nanosleep: 115,
        sched_getscheduler: 120,
        sched_getparam: 121,
        sched_getaffinity: 123,
        sched_yield: 124,
      },
      ...{ restart_syscall: 128, tgkill: 131, sigaltstack: 132, rt_sigaction: 134, rt_sigprocmask: 135 },
      ...{ rt_sigreturn: 139, getrusage: 165, gettimeofday: 169, getpid: 172, gettid: 178, sendto: 206, recvfrom: 207 },
      ...{ sendmsg: 211, recvmsg: 212, brk: 214, munmap: 215, mremap: 216, mmap: 222, mprotect: 226, madvise: 233 },
      ...{ getrandom: 278, membarrier: 283, pkey_mprotect: 288 },
    },
  },
};

const ALLOW = 0x7fff_0000;
const FAIL_EPERM = 0x0005_0000 | libc.ERRNO.EPERM;

/** Offsets within struct seccomp_data; an argument has 8 bytes, the low word first. */
const DATA = { number: 0, audit: 4, argument: (index: number): number => 16 + 8 * index } as const;

/** The filter for one architecture and the process `pid`. */
export function sandboxProgram(architecture: Architecture, pid: number): Uint8Array {
  const { audit, calls } = TABLES[architecture];
  const program = new Assembler();
  program.do('ld', DATA.audit).if('jeq', audit, 'native').do('ret', FAIL_EPERM).label('native');
  // An x32 call has the architecture of x86_64 but another number, so the list does not have it.
  program.do('ld', DATA.number);
  for (const { call, argument, only, except } of rules(pid)) {
    const number = calls[call];
    // Older calls that aarch64 never had, such as poll.
    if (number === undefined) continue;
    const next = `after ${call}`;
    program.if('jeq', number, undefined, next);
    if (argument !== undefined) {
      program.do('ld', DATA.argument(argument));
      for (const value of only ?? []) program.if('jeq', value, `${call} is permitted`);
      for (const value of except ?? []) program.if('jeq', value, `${call} is refused`);
      if (except !== undefined) program.do('ret', ALLOW);
      program.label(`${call} is refused`).do('ret', FAIL_EPERM).label(`${call} is permitted`);
    }
    program.do('ret', ALLOW).label(next);
  }
  return program.do('ret', FAIL_EPERM).bytes();
}

const SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;

/**
 * Shuts this process in: no other process of its user may look into it, and from now on every thread has the filter. There is no way
 * back. The process must have no-new-privileges already, and all that it will ever import or open.
 * @throws Error when the kernel refuses, when the filter does not hold, or when there is no table for this architecture
 */
export function enterSandbox(): void {
  const { arch, pid } = process;
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`there is no table of system calls for ${arch}`);
  forbidCoreDumps();
  // The secrets come after this.
  if (tracer() !== 0) throw new Error('another process traces the sentry');
  const program = libc.filterProgram(sandboxProgram(arch, pid));
  const result = libc.syscall(TABLES[arch].seccomp, SET_MODE_FILTER, FLAG_TSYNC, program.bytes);
  // With TSYNC a positive number is the thread that could not be given the filter.
  if (result !== 0) throw new Error(`seccomp: ${result > 0 ? `thread ${String(result)}` : libc.errnoName(result)}`);
  const { AF_INET, SOCK_DGRAM } = libc.SOCKET;
  if (libc.socket(AF_INET, SOCK_DGRAM, 0) !== -libc.ERRNO.EPERM) throw new Error('the seccomp filter does not hold');
}
