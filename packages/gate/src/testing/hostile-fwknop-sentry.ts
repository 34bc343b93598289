/**
 * A sentry that was taken over and says whatever it likes of fwknop's format, whose keys it has. Says on standard error `flood: N frames`, then nothing
 * more. For `monitor/hostile-fwknop.test.ts`.
 */
import koffi from 'koffi';
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { REFUSALS } from '@postern/protocol';
import { FRAME, FROM_SENTRY, KNOCK_COUNTERS, FWKNOP_COUNTERS, SENTRY_FD } from '../line/frame.ts';
import { encodeSentryFrame } from '../line/codec.ts';
import type { FwknopFrame } from '../line/fwknop-codec.ts';
import { start } from '../sentry/start.ts';
import * as libc from '../system/libc.ts';

const library = koffi.load(null);
const send = library.func('long send(int, void *, size_t, int)') as (
  fd: number,
  bytes: Uint8Array,
  size: number,
  flags: number,
) => number;

const ROUNDS = 60_000;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const { line } = start();
const idle = libc.fixedBytes(8);

/** The most that the kernel takes until the monitor has read: an attacker is patient. */
function push(bytes: Uint8Array): void {
  while (send(SENTRY_FD.line, bytes, bytes.length, 0x4000) < 0) {
    if (koffi.errno() !== libc.ERRNO.EINTR) throw new Error(`the line broke: errno ${String(koffi.errno())}`);
  }
}

function random(below: number): number {
  return randomBytes(4).readUInt32BE(0) % below;
}

// What the monitor tells every sentry: the serial of the table is no secret.
let serial: number | undefined;
while (serial === undefined) {
  line.receive((frame) => {
    if (frame.type === 'credential') serial = frame.serial;
  });
  libc.poll(idle.subarray(0, 0), 20);
}

function sayLife(): void {
  line.send({
    type: 'report',
    counters: new Uint32Array(REFUSALS.length),
    knocks: new Uint32Array(KNOCK_COUNTERS.length),
  });
}

/** What nobody sent, in the form that it would have. */
function invented(of: number): FwknopFrame {
  const asked = random(4) === 0 ? undefined : Uint8Array.of(...MAPPED, 10, 77, random(256), random(256));
  const common = {
    type: 'fwknop',
    family: 4,
    transport: 17,
    credential: random(3),
    serial: random(8) === 0 ? of + 1 : of,
    source: Uint8Array.of(...MAPPED, 10, 77, 0, random(4) === 0 ? random(256) : 66),
    destination: Uint8Array.of(...MAPPED, 10, 77, 0, 1),
    replayId: new Uint8Array(randomBytes(32)),
    time: Math.floor(Date.now() / 1000) + random(400) - 200,
    asked,
    user: random(2) === 0 ? 'eve' : 'ada',
    signers: [],
  } as const;
  const none = { timeout: 0, nat: undefined, command: undefined } as const;
  const ports = Array.from(
    { length: 1 + random(3) },
    () => ({ protocol: 'tcp', port: [22, 80, 443][random(3)] ?? 22 }) as const,
  );
  switch (random(4)) {
    case 0:
      return { ...common, ...none, message: 0, ports: [], command: 'touch /tmp/postern-hostile-fwknop' };
    case 1:
      return { ...common, ...none, message: 2, ports, nat: { host: '10.77.0.2', port: 22 } };
    case 2:
      return { ...common, ...none, message: 3, ports, timeout: 1 + random(65_536) };
    default:
      return { ...common, ...none, message: 1, ports };
  }
}

/** What the stanza lets in: the sentry can make as many as it likes. */
function plain(of: number): FwknopFrame {
  const message = {
    message: 1,
    timeout: 0,
    nat: undefined,
    command: undefined,
    ports: [{ protocol: 'tcp', port: 22 }],
  } as const;
  const asked = Uint8Array.of(...MAPPED, 10, 77, random(256), random(256));
  const source = Uint8Array.of(...MAPPED, 10, 77, 0, 66);
  const time = Math.floor(Date.now() / 1000);
  return { ...invented(of), ...message, credential: 0, serial: of, user: 'ada', asked, source, time };
}

let frames = 0;
for (let round = 0; round < ROUNDS; round++, frames++) {
  if (round % 2000 === 0) sayLife();
  push(encodeSentryFrame(round < 600 ? plain(serial) : invented(serial)));
}
for (let round = 0; round < ROUNDS; round++, frames++) {
  if (round % 2000 === 0) sayLife();
  const frame = round % 3 === 0 ? encodeSentryFrame(invented(serial)) : new Uint8Array(randomBytes(FRAME));
  frame[0] = round % 5 === 0 ? FROM_SENTRY.tally : FROM_SENTRY.fwknop;
  for (let change = 0; change < 3; change++) frame[1 + random(FRAME - 1)] = random(256);
  push(frame);
}
push(encodeSentryFrame({ type: 'tally', counters: new Uint32Array(FWKNOP_COUNTERS.length).fill(0xffff_ffff) }));
writeSync(2, `flood: ${String(frames)} frames\n`);
for (;;) {
  sayLife();
  libc.poll(idle.subarray(0, 0), 1_000);
}
