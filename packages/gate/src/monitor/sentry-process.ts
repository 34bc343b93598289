import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname, extname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { REFUSALS, type Refusal, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Capture } from '../config/model.ts';
import {
  decodeSentryFrame,
  encodeMonitorFrame,
  type CredentialFrame,
  type DoorFrame,
  type DoorsFrame,
  type DropFrame,
  type FwknopFrame,
  type KnockedFrame,
  type MonitorFrame,
  type RequestFrame,
  type SetsFrame,
  type VerdictFrame,
} from '../line/codec.ts';
import { FRAME, FWKNOP_COUNTERS, KNOCK_COUNTERS, type FwknopCounter } from '../line/frame.ts';
import { Reassembler } from '../line/reassembler.ts';
import * as libc from '../system/libc.ts';
import { BackOff } from './back-off.ts';
import { FwknopSockets, type FwknopHearingNow, type FwknopHears } from './fwknop-sockets.ts';
import { KnockSockets, type KnockPlan } from './knock-sockets.ts';
import { SentryOutput } from './sentry-output.ts';
import { SentrySockets, type GateKeys, type Hearing } from './sentry-sockets.ts';
import { LineLimits } from './table.ts';
import { lookUpUser, mustRead, stripped, type NumericUser } from './sentry-user.ts';
import { messageOf } from './log.ts';

export type { GateKeys, Hearing } from './sentry-sockets.ts';

/** What the sentry needs to unseal requests. Device keys never go there. */
export interface SentrySecrets {
  /** X25519 private key, 32 bytes. */
  readonly x25519: Uint8Array;
  /** X-Wing seed, 32 bytes. */
  readonly xwing: Uint8Array;
  readonly gateKeys: GateKeys;
}

/** What the monitor answers to a request that was recorded. */
export type Verdict = Omit<VerdictFrame, 'type' | 'id'>;

/** Tables for the sentry's matchers of port knocks. */
export type KnockFrame = DoorsFrame | SetsFrame | DropFrame;

/** Tables that a sentry keeps. */
export type TableFrame = KnockFrame | CredentialFrame;

/** What the sentry process is made from. */
export interface SentryOptions {
  /** UDP port of knocks. */
  readonly port: number;
  readonly capture: Capture;
  /** Name of the user that the sentry runs as, looked up in /etc/passwd. */
  readonly sentryUser: string;
  readonly pq: 'required' | 'off';
  readonly secrets: SentrySecrets;
  readonly clock: () => UnixMicros;
  readonly log: (level: 'info' | 'warning' | 'error', message: string) => void;
  /**
   * One request came over the line. Every field is what the sentry says: hostile. `reply` may be called once, at once or later,
   * or never (silence); it never blocks, and does nothing once that sentry is gone.
   */
  readonly onRequest: (request: RequestFrame, reply: (verdict: Verdict) => void) => void;
  /** A source finished a door's sequence, or sent enough of a keyed set. Every field is what the sentry says: hostile. */
  readonly onKnock?: (event: DoorFrame | KnockedFrame) => void;
  /** The tables that a sentry begins with. */
  readonly tables?: () => Iterable<TableFrame>;
  /** What is heard of port knocks; undefined: nothing. */
  readonly knockPlan?: KnockPlan | undefined;
  /** A credential opened a packet of fwknop's format. Every field is what the sentry says: hostile. */
  readonly onFwknop?: (event: FwknopFrame) => void;
  /** How packets of fwknop's format are heard; undefined: not at all. */
  readonly fwknop?: FwknopHearingNow | undefined;
  /** The sentry sent what no sentry of ours sends (`frame`), or more than `table.ts` lets it (`rate-line`). The caller counts it. */
  readonly onRefused: (reason: 'frame' | 'rate-line') => void;
  /** The sentry ended and is started again after `delay` milliseconds. */
  readonly onRestart?: (reason: string, delay: number) => void;
  /** The program to run instead of the sentry's own; for tests. */
  readonly entry?: string;
  /** How long a sentry may send nothing before it counts as hanging, in milliseconds; for tests. */
  readonly patience?: number;
}

/** A sentry that is kept running. Disposing it ends the process and closes its sockets. */
export interface SentryProcess extends Disposable {
  /** Process id of the sentry that runs now; undefined between two. */
  readonly pid: number | undefined;
  /** Resolves when the first sentry serves; rejects with a PersonError when it cannot be started at all. */
  readonly ready: Promise<void>;
  /** Resolves when, after disposal, the process is gone. */
  readonly closed: Promise<void>;
  /** How IPv4 and IPv6 are heard now. */
  readonly hearing: readonly [Hearing, Hearing];
  /** How many times the sentry was started again. */
  readonly restarts: number;
  /** Takes new gate keys into use: filters first, then the sentry. */
  setKeys(keys: GateKeys): void;
  /**
   * Takes another plan of what is heard of port knocks into use. The first one takes another sentry, which begins with all tables. Where packet
   * sockets are not permitted nothing is heard, and the log says so.
   */
  setKnockPlan(plan: KnockPlan | undefined): void;
  /** The same for packets of fwknop's format. */
  setFwknop(now: FwknopHearingNow): void;
  /** Sends tables to the sentry that runs. False: it reads too slowly, and none of them was sent. */
  sendTables(frames: readonly TableFrame[]): boolean;
  /** Refusals of the sentry since the monitor's start, restarts included. */
  counters(): Readonly<Partial<Record<Refusal, number>>>;
  /** What it counted of port knocks, likewise. */
  knockCounters(): Readonly<Record<(typeof KNOCK_COUNTERS)[number], number>>;
  /** What it counted of packets of fwknop's format, likewise. */
  fwknopCounters(): Readonly<Partial<Record<FwknopCounter, number>>>;
}

/** How often epochs and the sign of life are looked at, in milliseconds. */
const TICK = 2_000;

/** A sentry that sent nothing for so long hangs: it reports every 10 s at least. Milliseconds. */
const PATIENCE = 30_000;

/** Verdicts that wait for a sentry that does not read; one more is dropped, and its client asks again. */
const MOST_VERDICTS = 256;

/** Frames that wait for a busy monitor: twice what the sentry lets through at once. What comes then is dropped, and its client asks again. */
const MOST_WAITING = 2048;

/** What the kernel counts for a frame that waits in a socket's queue: 1 KiB of memory for its bytes, and what it notes about them. */
const FRAME_MEMORY = 1280;

/** Bytes of the line that are read at once. */
const LINE_READ = 64 * FRAME;

/** Bytes that may wait for a sentry that does not read before tables wait too. */
const MOST_TABLES = 1 << 20;

const SOURCE = extname(import.meta.filename) === '.ts';

/**
 * Small heap, few threads; `--disable-sigusr1`, because a signal would make Node listen for a debugger. Code is compiled early and kept
 * (decision 0006). Memory was measured.
 */
const NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  // The old generation is collected when it has grown by 2 MB instead of 8 (decision 0016).
  '--optimize-for-size',
  '--v8-pool-size=1',
  '--disable-sigusr1',
  '--no-lazy-feedback-allocation',
  '--no-flush-bytecode',
  ...(SOURCE ? ['--conditions=source'] : []),
];

/**
 * Opens the sockets, attaches the kernel filters, starts the sentry on them and keeps it running.
 * @throws PersonError when the port is in use, a capability or the sentry's user is missing, or that user cannot read the program.
 */
export function startSentry(options: SentryOptions): SentryProcess {
  const user = lookUpUser(options.sentryUser);
  const entry = options.entry ?? join(dirname(import.meta.dirname), 'sentry', `main${extname(import.meta.filename)}`);
  const libraries = ['koffi', '@postern/protocol'].flatMap(fileOf);
  mustRead(user, [process.execPath, entry, ...libraries]);
  return new KeptSentry(options, user, entry);
}

/** Where a package begins; nowhere if it is bundled into the program, as in what `script/package` makes. */
function fileOf(name: string): string[] {
  try {
    return [fileURLToPath(import.meta.resolve(name))];
  } catch {
    return [];
  }
}

/** Why a sentry is ended that gets more descriptors; its successor starts at once. */
const PLANNED = 'it is given further sockets';

/** One process from its start to its end. */
interface Life {
  readonly child: ChildProcess;
  readonly line: Socket;
  readonly output: SentryOutput;
  readonly started: number;
  lastSign: number;
  ready: boolean;
  /** Why it was killed, if we did it. */
  killed: string | undefined;
  counters: Uint32Array;
  knocks: Uint32Array;
  fwknop: Uint32Array;
  readonly limits: LineLimits;
}

class KeptSentry implements SentryProcess {
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly #options: SentryOptions;
  readonly #user: NumericUser;
  readonly #entry: string;
  readonly #sockets: SentrySockets;
  readonly #backOff = new BackOff();
  readonly #first = Promise.withResolvers<undefined>();
  readonly #gone = Promise.withResolvers<undefined>();
  readonly #totals = new Map<Refusal, number>();
  readonly #knockTotals = new Map<(typeof KNOCK_COUNTERS)[number], number>();
  #knockSockets: KnockSockets | undefined;
  #knockPlan: KnockPlan | undefined;
  readonly #fwknopTotals = new Map<FwknopCounter, number>();
  #fwknopSockets: FwknopSockets | undefined;
  #gpgFd: number | undefined;
  readonly #ticker: NodeJS.Timeout;
  #restart: NodeJS.Timeout | undefined;
  #gateKeys: GateKeys;
  #serial = 0;
  #life: Life | undefined;
  #disposed = false;
  #restarts = 0;

  constructor(options: SentryOptions, user: NumericUser, entry: string) {
    this.#options = options;
    this.#user = user;
    this.#entry = entry;
    this.#gateKeys = options.secrets.gateKeys;
    this.ready = this.#first.promise;
    // Whoever does not wait for it is told by the log.
    this.ready.catch(() => undefined);
    this.closed = this.#gone.promise;
    this.#sockets = new SentrySockets(options.capture, options.port, this.#gateKeys, options.clock());
    for (const { filter, family, why } of this.#sockets.hearing) {
      if (filter !== 'tag')
        options.log('warning', `IPv${String(family)} is heard without tags in the kernel: ${why ?? ''}`);
    }
    this.#hearKnocks(options.knockPlan);
    this.#gpgFd = options.fwknop?.gpgFd;
    this.#hearFwknop(options.fwknop?.hears);
    this.#ticker = setInterval(() => {
      this.#tick();
    }, TICK);
    this.#begin();
  }

  get pid(): number | undefined {
    return this.#life?.child.pid;
  }

  get hearing(): readonly [Hearing, Hearing] {
    return this.#sockets.hearing;
  }

  get restarts(): number {
    return this.#restarts;
  }

  setKeys(keys: GateKeys): void {
    this.#gateKeys = keys;
    this.#sockets.tune(keys, this.#options.clock());
    this.#serial = (this.#serial + 1) & 255;
    if (this.#life !== undefined) this.#sendKeys(this.#life);
  }

  setKnockPlan(plan: KnockPlan | undefined): void {
    const before = this.#knockSockets;
    this.#hearKnocks(plan);
    if (before !== this.#knockSockets && this.#life !== undefined) this.#end(this.#life, PLANNED);
  }

  setFwknop({ hears, gpgFd }: FwknopHearingNow): void {
    const before = [this.#fwknopSockets, this.#gpgFd];
    this.#gpgFd = gpgFd;
    this.#hearFwknop(hears);
    const same = before[0] === this.#fwknopSockets && before[1] === gpgFd;
    if (!same && this.#life !== undefined) this.#end(this.#life, PLANNED);
  }

  sendTables(frames: readonly TableFrame[]): boolean {
    const life = this.#life;
    // Who is started next begins with all tables.
    if (life === undefined) return true;
    if (life.line.writableLength > MOST_TABLES) return false;
    for (const frame of frames) send(life, frame);
    return true;
  }

  knockCounters(): Readonly<Record<(typeof KNOCK_COUNTERS)[number], number>> {
    const count = (what: (typeof KNOCK_COUNTERS)[number]): number => this.#knockTotals.get(what) ?? 0;
    const [knocks, strange, doors, keyed, busy] = [...KNOCK_COUNTERS].map(count) as [
      number,
      number,
      number,
      number,
      number,
    ];
    return { knocks, strange, doors, keyed, busy };
  }

  fwknopCounters(): Readonly<Partial<Record<FwknopCounter, number>>> {
    return Object.fromEntries(this.#fwknopTotals);
  }

  counters(): Readonly<Partial<Record<Refusal, number>>> {
    return Object.fromEntries(this.#totals);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    clearInterval(this.#ticker);
    clearTimeout(this.#restart);
    this.#sockets[Symbol.dispose]();
    this.#knockSockets?.[Symbol.dispose]();
    this.#fwknopSockets?.[Symbol.dispose]();
    if (this.#life === undefined) this.#gone.resolve(undefined);
    else this.#end(this.#life, 'stopped');
  }

  #begin(): void {
    const { port, pq, secrets } = this.#options;
    const { packet4, packet6, udp4, udp6 } = this.#sockets.fds;
    const [program, ...args] = stripped(this.#user, [process.execPath, ...NODE_FLAGS, this.#entry]);
    // Whatever else is open here, and whoever left it open, is none of the sentry's business.
    libc.closeOnExec(3);
    const knocks = this.#knockSockets?.fds;
    const fwknop = this.#fwknopSockets?.fds;
    const gpgFd = this.#gpgFd;
    // What is missing is /dev/null: a number that is free Node would give to something of its own, which the sandbox would then cut off.
    const nothing = openSync('/dev/null', 'r');
    const wanted = [packet4, packet6, udp4, udp6, knocks?.[4], knocks?.[6], fwknop?.[4], fwknop?.[6], gpgFd];
    const descriptors = wanted.map((fd) => fd ?? nothing);
    const [ours, theirs] = libc.streamPair();
    widen(theirs);
    // Each piece is taken as it comes: what Node's streams do around one costs a knock more than to decode it.
    const onread = {
      buffer: Buffer.alloc(LINE_READ),
      callback: (size: number, buffer: Uint8Array): boolean => {
        reassembler.push(buffer.subarray(0, size));
        return true;
      },
    };
    const line = new Socket({ fd: ours, readable: true, writable: true, onread });
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe', theirs, ...descriptors],
      env: {},
      cwd: '/',
      // A session of its own: an interrupt on our terminal is for us alone.
      detached: true,
    });
    // It has its own; and the line ends for us when the sentry does.
    closeSync(theirs);
    closeSync(nothing);
    if (child.stderr === null) throw new TypeError('the sentry has no log');
    const now = performance.now();
    const output = new SentryOutput((text) => {
      this.#options.log('warning', `sentry: ${text}`);
    });
    const counters = new Uint32Array(REFUSALS.length);
    const limits = new LineLimits(this.#options.clock());
    const life: Life = {
      child,
      line,
      output,
      started: now,
      lastSign: now,
      ready: false,
      killed: undefined,
      counters,
      knocks: new Uint32Array(KNOCK_COUNTERS.length),
      fwknop: new Uint32Array(FWKNOP_COUNTERS.length),
      limits,
    };
    this.#life = life;
    const reassembler = new Reassembler((frame) => {
      this.#take(life, frame);
    });
    // A line that breaks ends with the process, which is noticed there.
    line.on('error', () => undefined);
    child.stderr.on('data', (piece: Buffer) => {
      output.push(piece);
    });
    child.on('error', (error) => {
      output.push(Buffer.from(`${error.message}\n`));
    });
    // What it said last is heard before it counts as ended.
    const lineClosed = new Promise((resolve) => line.once('close', resolve));
    child.on('close', (code, signal) => {
      void lineClosed.then(() => {
        this.#ended(life, code === null ? `signal ${String(signal)}` : `exit code ${String(code)}`);
      });
    });
    const present = { packet4: packet4 !== undefined, packet6: packet6 !== undefined };
    const replies = { udp4: udp4 !== undefined, udp6: udp6 !== undefined };
    const heard = { knock4: knocks !== undefined, knock6: knocks !== undefined };
    const heardOf = { fwknop4: fwknop !== undefined, fwknop6: fwknop !== undefined, gpg: gpgFd !== undefined };
    const use = { receiveUdp: this.#sockets.capture === 'dgram', pqRequired: pq === 'required', ...heard, ...heardOf };
    send(life, { type: 'setup', ...present, ...replies, ...use, port, x25519: secrets.x25519, xwing: secrets.xwing });
    this.#sendKeys(life);
    for (const frame of this.#options.tables?.() ?? []) send(life, frame);
  }

  #take(life: Life, bytes: Uint8Array): void {
    if (life !== this.#life) return;
    const frame = decodeSentryFrame(bytes);
    if (frame === undefined) {
      this.#options.onRefused('frame');
      return;
    }
    if (!life.limits.admit(frame.type, this.#options.clock())) {
      this.#options.onRefused('rate-line');
      return;
    }
    life.lastSign = performance.now();
    switch (frame.type) {
      case 'ready':
        life.ready = true;
        this.#first.resolve(undefined);
        return;
      case 'report':
        this.#add(life, frame.counters, frame.knocks);
        return;
      case 'door':
      case 'knocked':
        this.#options.onKnock?.(frame);
        return;
      case 'fwknop':
        this.#options.onFwknop?.(frame);
        return;
      case 'tally':
        addUp(FWKNOP_COUNTERS, frame.counters, life.fwknop, this.#fwknopTotals);
        life.fwknop = frame.counters;
        return;
      case 'request':
        // Under other keys than those that live now, 1 meant another key; which one no longer matters.
        this.#options.onRequest(frame.serial === this.#serial ? frame : { ...frame, gateKey: 0 }, (verdict) => {
          if (life === this.#life) send(life, { type: 'verdict', id: frame.id, ...verdict });
        });
        return;
    }
  }

  #sendKeys(life: Life): void {
    const { current, next } = this.#gateKeys;
    send(life, { type: 'keys', serial: this.#serial, current, next });
  }

  #add(life: Life, counters: Uint32Array, knocks: Uint32Array): void {
    addUp(REFUSALS, counters, life.counters, this.#totals);
    addUp(KNOCK_COUNTERS, knocks, life.knocks, this.#knockTotals);
    life.counters = counters;
    life.knocks = knocks;
  }

  #tick(): void {
    this.#sockets.turn(this.#options.clock());
    this.#tuneKnocks();
    const life = this.#life;
    const { patience = PATIENCE } = this.#options;
    if (life !== undefined && performance.now() - life.lastSign > patience) this.#end(life, 'no sign of life');
  }

  #hearKnocks(plan: KnockPlan | undefined): void {
    if (plan !== undefined) {
      try {
        this.#knockSockets ??= new KnockSockets((what) => {
          this.#options.log('error', what);
        });
      } catch (error) {
        // Requests are heard all the same: in a container there may be no packet sockets.
        if (!(error instanceof PersonError)) throw error;
        this.#options.log('error', `no port knock is heard: ${error.message}`);
      }
    }
    this.#knockPlan = plan;
    this.#tuneKnocks();
  }

  #hearFwknop(hears: FwknopHears | undefined): void {
    const { capture, port, clock } = this.#options;
    try {
      if (capture === 'dgram') {
        const here = hears?.filter((it) => it.protocol === 'udp' && it.first <= port && port <= it.last) ?? [];
        this.#sockets.hearFwknop(here.length > 0, clock());
        if (here.length !== (hears?.length ?? 0))
          this.#options.log(
            'error',
            `packets of fwknop's format are heard on udp/${String(port)} alone: an open port hears no other`,
          );
        return;
      }
      if (hears !== undefined) this.#fwknopSockets ??= new FwknopSockets();
      this.#fwknopSockets?.hear(hears);
    } catch (error) {
      this.#options.log('error', `nothing of fwknop's format is heard: ${messageOf(error)}`);
    }
  }

  /** Ports with real services come and go; the filters follow. */
  #tuneKnocks(): void {
    try {
      this.#knockSockets?.tune(this.#knockPlan);
    } catch (error) {
      const why = messageOf(error);
      this.#options.log('error', `the filter for port knocks could not be changed: ${why}`);
    }
  }

  /** The line's end tells an honest sentry to go; the signal does not ask. */
  #end(life: Life, reason: string): void {
    life.killed ??= reason;
    life.line.destroy();
    life.child.kill('SIGKILL');
  }

  #ended(life: Life, how: string): void {
    life.output.end();
    this.#life = undefined;
    if (this.#disposed) {
      this.#gone.resolve(undefined);
      return;
    }
    const reason = life.killed ?? how;
    if (!life.ready && this.#restarts === 0) {
      this.#first.reject(
        new PersonError(`the sentry could not be started: ${reason}`, { hint: life.output.lastLine ?? 'see the log' }),
      );
    }
    if (reason === PLANNED) {
      this.#begin();
      return;
    }
    const delay = this.#backOff.after(performance.now() - life.started);
    this.#restarts++;
    this.#options.onRestart?.(reason, delay);
    this.#restart = setTimeout(() => {
      this.#begin();
    }, delay);
  }
}

/** Adds what a sentry counted since it told the last time. Its counters wrap. */
function addUp<T>(names: readonly T[], now: Uint32Array, before: Uint32Array, totals: Map<T, number>): void {
  for (const [index, name] of names.entries()) {
    const delta = ((now[index] ?? 0) - (before[index] ?? 0)) >>> 0;
    if (delta > 0) totals.set(name, (totals.get(name) ?? 0) + delta);
  }
}

/**
 * Gives the sentry's end of the line room for what it may send at once. The kernel doubles what is asked for; where it does not let us pass the limit of
 * the host (a container without rights outside of it), we have that limit.
 */
function widen(fd: number): void {
  const { SOL_SOCKET, SO_SNDBUF, SO_SNDBUFFORCE } = libc.SOCKET;
  const size = (MOST_WAITING * FRAME_MEMORY) / 2;
  if (libc.setIntOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, size) < 0) libc.setIntOption(fd, SOL_SOCKET, SO_SNDBUF, size);
}

/** Never waits: what a sentry does not read in time is dropped, but for the few frames it cannot do without. */
function send(life: Life, frame: MonitorFrame): void {
  // What is written to one that is gone would break the line, and what it said last with it.
  if (life.line.destroyed || life.child.exitCode !== null || life.child.signalCode !== null) return;
  if (frame.type === 'verdict' && life.line.writableLength > MOST_VERDICTS * FRAME) return;
  const bytes = encodeMonitorFrame(frame);
  life.line.write(bytes, () => bytes.fill(0));
}
