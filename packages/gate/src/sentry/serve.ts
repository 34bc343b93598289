/**
 * The sentry's loop: one thread, one poll(2) over the line and the knocks, nothing that waits anywhere else. Node's own event loop does
 * not turn any more: that saves a system call or two for every packet, and libuv cannot watch packet sockets anyway.
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { importStaticPrivate, readU32, RECEIPT, type Refusal, sealReceipt, type UnixMicros } from '@postern/protocol';
import type { KeysFrame, MonitorFrame, SetupFrame, VerdictFrame } from '../line/codec.ts';
import { SENTRY_FD } from '../line/frame.ts';
import * as libc from '../system/libc.ts';
import {
  fwknopCapture,
  knockCapture,
  packetCapture,
  udpCapture,
  type Capture,
  type FwknopCapture,
  type KnockCapture,
} from './capture.ts';
import { isPossibleSource, type Datagram } from './decode-packet.ts';
import { FwknopForwarder, type GpgAsked } from './fwknop-forwarder.ts';
import { GpgEnd } from './gpg-end.ts';
import type { LineEnd } from './line-end.ts';
import { Pending } from './pending.ts';
import { Pipeline, type Opened } from './pipeline.ts';
import { PortKnocks } from './port-knocks.ts';
import { ReplySocket } from './reply.ts';
import { Reporter } from './reporter.ts';
import type { Started } from './start.ts';

/** Datagrams read from one socket before the others, and the line, have their turn. */
const BATCH = 32;

/** The same of fwknop's format, of which one may cost a millisecond. */
const FWKNOP_BATCH = 4;

/** Why a packet that came to an open port may be one of fwknop's format instead. */
const NOT_OURS: readonly Refusal[] = ['length', 'tag'];
const UDP = 17;

/** Serves until the monitor closes the line. @throws Error when the line breaks in another way */
export function serve(started: Started, clock: () => UnixMicros = systemClock): void {
  const { line, setup } = started;
  const captures = capturesOf(setup);
  const knocks = knockCapturesOf(setup);
  const fwknops = fwknopCapturesOf(setup);
  const sentry = new Sentry(started, clock);
  const heard = [...captures, ...knocks, ...fwknops];
  const polled = new Polled([line.fd, ...heard.map(({ fd }) => fd), ...(setup.gpg ? [SENTRY_FD.gpg] : [])]);
  for (;;) {
    polled.wait(sentry.rest());
    if (
      polled.ready(0) &&
      !line.receive((frame) => {
        sentry.obey(frame);
      })
    )
      return;
    captures.forEach((capture, index) => {
      if (!polled.ready(index + 1)) return;
      for (let count = 0; count < BATCH; count++) {
        const arrival = capture.next();
        if (arrival === 'empty') return;
        sentry.hear(capture, arrival === 'datagram');
      }
    });
    knocks.forEach((capture, index) => {
      if (!polled.ready(index + 1 + captures.length)) return;
      for (let count = 0; count < BATCH; count++) {
        const arrival = capture.next();
        if (arrival === 'empty') return;
        sentry.hearKnock(arrival === 'knock' ? capture : undefined);
      }
    });
    fwknops.forEach((capture, index) => {
      if (!polled.ready(index + 1 + captures.length + knocks.length)) return;
      for (let count = 0; count < FWKNOP_BATCH; count++) {
        const arrival = capture.next();
        if (arrival === 'empty') return;
        sentry.hearFwknop(capture, arrival === 'datagram');
      }
    });
    if (setup.gpg && polled.ready(heard.length + 1)) sentry.hearGpg();
  }
}

function systemClock(): UnixMicros {
  return (Date.now() * 1000) as UnixMicros;
}

function capturesOf({ packet4, packet6, udp4, udp6, receiveUdp, port }: SetupFrame): readonly Capture[] {
  const captures: Capture[] = [];
  if (packet4) captures.push(packetCapture(SENTRY_FD.packet4, 4, port));
  if (packet6) captures.push(packetCapture(SENTRY_FD.packet6, 6, port));
  if (udp4 && receiveUdp) captures.push(udpCapture(SENTRY_FD.udp4, 4));
  if (udp6 && receiveUdp) captures.push(udpCapture(SENTRY_FD.udp6, 6));
  return captures;
}

function knockCapturesOf({ knock4, knock6 }: SetupFrame): readonly KnockCapture[] {
  const captures: KnockCapture[] = [];
  if (knock4) captures.push(knockCapture(SENTRY_FD.knock4, 4));
  if (knock6) captures.push(knockCapture(SENTRY_FD.knock6, 6));
  return captures;
}

function fwknopCapturesOf({ fwknop4, fwknop6 }: SetupFrame): readonly FwknopCapture[] {
  const captures: FwknopCapture[] = [];
  if (fwknop4) captures.push(fwknopCapture(SENTRY_FD.fwknop4, 4));
  if (fwknop6) captures.push(fwknopCapture(SENTRY_FD.fwknop6, 6));
  return captures;
}

class Sentry {
  readonly #line: LineEnd;
  readonly #clock: () => UnixMicros;
  readonly #pipeline: Pipeline;
  readonly #pending = new Pending();
  #serial = 0;
  readonly #reporter = new Reporter(performance.now());
  readonly #knocks: PortKnocks;
  readonly #fwknop: FwknopForwarder;
  readonly #gpg: GpgEnd<GpgAsked> | undefined;
  /** Knocks and packets of fwknop's format come to one open port. */
  readonly #mixed: boolean;
  readonly #replies: Readonly<Record<4 | 6, ReplySocket | undefined>>;

  constructor({ line, setup, keys }: Started, clock: () => UnixMicros) {
    this.#line = line;
    this.#clock = clock;
    const statics = { 1: importStaticPrivate(1, setup.x25519), 2: importStaticPrivate(2, setup.xwing) };
    this.#pipeline = new Pipeline(statics, setup.pqRequired);
    this.#knocks = new PortKnocks({
      send: (frame) => line.send(frame),
      count: (what) => {
        this.#reporter.countKnock(what);
      },
    });
    this.#mixed = setup.receiveUdp;
    const gpg = setup.gpg ? new GpgEnd<GpgAsked>(SENTRY_FD.gpg, readU32(randomBytes(4), 0)) : undefined;
    this.#gpg = gpg;
    this.#fwknop = new FwknopForwarder({
      send: (frame) => line.send(frame),
      gpg: gpg && ((credential, ciphertext, asked, now) => gpg.request(credential, ciphertext, asked, now)),
    });
    this.#setKeys(keys);
    this.#replies = {
      4: setup.udp4 ? new ReplySocket(SENTRY_FD.udp4, 4) : undefined,
      6: setup.udp6 ? new ReplySocket(SENTRY_FD.udp6, 6) : undefined,
    };
  }

  /** Reports when that is due; returns how long to wait for the next report, in milliseconds. */
  rest(): number {
    const now = performance.now();
    if (this.#reporter.due(now) === 0) {
      this.#pending.expire(this.#clock());
      if (this.#line.send({ type: 'report', counters: this.#reporter.counters, knocks: this.#reporter.knocks }))
        this.#reporter.reported(now);
      else this.#reporter.postponed(now);
    }
    return Math.ceil(Math.min(this.#reporter.due(now), this.#fwknop.rest(this.#clock())));
  }

  /** Looks at what `capture` has read. */
  hear({ buffer, datagram }: Capture, hasForm: boolean): void {
    if (!hasForm || !isPossibleSource(datagram.source, datagram.family)) {
      this.#reporter.count('length');
      return;
    }
    const now = this.#clock();
    const packet = buffer.subarray(datagram.from, datagram.to);
    const result = this.#pipeline.receive(packet, datagram.source, datagram.family, now);
    if (!result.ok && this.#mixed && NOT_OURS.includes(result.reason) && this.#fwknop.listens)
      this.#fwknop.hear(packet, { ...datagram, transport: UDP }, now);
    else if (!result.ok) this.#reporter.count(result.reason);
    else if (!this.#forward(result.value, datagram, now)) this.#reporter.count('monitor-busy');
  }

  /** Looks at what `capture` has read of port knocks; undefined: something that is none. */
  hearKnock(capture: KnockCapture | undefined): void {
    this.#knocks.hear(capture?.knock, this.#clock());
  }

  /** Looks at what `capture` has read of fwknop's format. */
  hearFwknop({ buffer, datagram }: FwknopCapture, hasForm: boolean): void {
    const heard = hasForm && isPossibleSource(datagram.source, datagram.family);
    const payload = heard ? buffer.subarray(datagram.from, datagram.to) : undefined;
    this.#fwknop.hear(payload, datagram, this.#clock());
  }

  /** Takes what the GPG helper answers. @throws Error when its line was closed: the monitor holds both ends open */
  hearGpg(): void {
    const now = this.#clock();
    const open = this.#gpg?.receive((answer, asked) => {
      this.#fwknop.answer(answer, asked, now);
    }, now);
    if (open === false) throw new Error('the line to the GPG helper was closed');
  }

  /** Does what the monitor says. */
  obey(frame: MonitorFrame): void {
    switch (frame.type) {
      case 'verdict':
        this.#answer(frame);
        return;
      case 'keys':
        this.#setKeys(frame);
        return;
      case 'doors':
      case 'sets':
      case 'drop':
        this.#knocks.obey(frame, this.#clock());
        return;
      case 'credential':
        // The helper, too, is given other credentials, and answers nothing that was asked before.
        if (frame.index === 0) this.#gpg?.forget();
        this.#fwknop.obey(frame);
        return;
      case 'setup':
        throw new Error('the monitor sent a second setup');
    }
  }

  #setKeys({ current, next, serial }: KeysFrame): void {
    this.#serial = serial;
    this.#pipeline.setKeys(next === undefined ? [current] : [current, next], this.#clock());
  }

  #forward({ gateKey, unsealed }: Opened, datagram: Datagram, now: UnixMicros): boolean {
    const { suite, nonce, encHash, plaintext, mac, knockKey } = unsealed;
    const { family, sourcePort: port, interfaceIndex } = datagram;
    const { source: address, destination: local } = datagram;
    const { id } = this.#pending;
    const key = { gateKey, serial: this.#serial } as const;
    const signed = { nonce, encHash, plaintext, knockKey } as const;
    const frame = { type: 'request', suite, ...key, family, id, address, port, ...signed } as const;
    if (!this.#line.send(frame)) return false;
    // The monitor has something to do meanwhile.
    const path = { family, address, port, local, interfaceIndex };
    this.#pending.add({ path, mac, receiptKey: unsealed.receiptKey }, now);
    return true;
  }

  #answer(verdict: VerdictFrame): void {
    const request = this.#pending.take(verdict.id, this.#clock());
    if (request === undefined) return;
    const { status, end, now, era, stateId, nextKey } = verdict;
    const { path, mac, receiptKey } = request;
    const content = { status, address: path.address, end, now, era, stateId, nextKey };
    this.#replies[path.family]?.send(path, sealReceipt(receiptKey, mac, content, randomBytes(RECEIPT.nonceSize)));
    receiptKey.fill(0);
  }
}

/** Descriptors to wait for: an array of struct pollfd. */
class Polled {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(fds: readonly number[]) {
    const bytes = libc.fixedBytes(8 * fds.length);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    fds.forEach((fd, index) => {
      this.#view.setInt32(8 * index, fd, true);
      this.#view.setInt16(8 * index + 4, libc.POLL.in, true);
    });
  }

  /** Waits until something can be read, at most `timeout` milliseconds. */
  wait(timeout: number): void {
    const result = libc.poll(this.#bytes, timeout);
    if (result >= 0) return;
    // What stands in the structure is from the call before.
    for (let index = 0; index < this.#bytes.length; index += 8) this.#view.setInt16(index + 6, 0, true);
    if (result !== -libc.ERRNO.EINTR) throw new Error(`poll: ${libc.errnoName(result)}`);
  }

  /** Whether there is something to be read from a descriptor, an error and its end included. */
  ready(index: number): boolean {
    const events = this.#view.getInt16(8 * index + 6, true);
    if ((events & libc.POLL.nval) !== 0) throw new Error('a descriptor is missing');
    return events !== 0;
  }
}
