import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, type UnixMicros } from '@postern/protocol';
import type { FwknopCredential, FwknopMessage } from '@postern/protocol/fwknop';
import fc from 'fast-check';
import { anyMessage } from '../../../protocol/src/testdata/fwknop-arbitrary.ts';
import { decodeSentryFrame, encodeSentryFrame } from '../line/codec.ts';
import type { FwknopFrame, TallyFrame } from '../line/fwknop-codec.ts';
import { FWKNOP_COUNTERS, type FwknopCounter } from '../line/frame.ts';
import type { GpgAnswer } from '../line/gpg-line.ts';
import { FwknopForwarder, type GpgAsked } from './fwknop-forwarder.ts';
import { credential, from, junk, piece, REQUEST, sealed, table } from './fwknop-packets.fixture.ts';

const START = 1_800_000_000_000_000;
const SECOND = 1_000_000;
const [ADA, EVE] = ['192.0.2.1', '203.0.113.66'];

/** A forwarder over a line that takes what the line would take. */
class Bench {
  readonly frames: FwknopFrame[] = [];
  readonly tallies: Partial<Record<FwknopCounter, number>>[] = [];
  full = false;
  now = START;
  readonly forwarder: FwknopForwarder;

  constructor(credentials: readonly FwknopCredential[] = [credential(1), credential(2)]) {
    this.forwarder = new FwknopForwarder({ send: (frame) => this.#send(frame) });
    for (const frame of table(
      7,
      credentials.map((it) => piece(it)),
    ))
      this.forwarder.obey(frame);
  }

  #send(frame: FwknopFrame | TallyFrame): boolean {
    if (this.full) return false;
    // As on the line: what it cannot carry is an error, and what the monitor reads is what counts.
    const read = decodeSentryFrame(encodeSentryFrame(frame));
    assert.ok(read?.type === frame.type, 'the monitor takes it for no frame of ours');
    if (read.type === 'fwknop') this.frames.push(read);
    if (read.type === 'tally') this.tallies.push(countersOf(read.counters));
    return true;
  }

  hear(payload: Uint8Array | undefined, way = from(ADA)): void {
    this.forwarder.hear(payload, way, this.now as UnixMicros);
  }

  rest(): number {
    return this.forwarder.rest(this.now as UnixMicros);
  }
}

function countersOf(counters: Uint32Array): Partial<Record<FwknopCounter, number>> {
  return Object.fromEntries(
    FWKNOP_COUNTERS.flatMap((name, index) => (counters[index] === 0 ? [] : [[name, counters[index]]])),
  );
}

const command = (text: string): FwknopMessage => ({ ...REQUEST, kind: 'command', command: text });

test('the monitor is told all that a packet asks for, and how it came', () => {
  const bench = new Bench();
  const message: FwknopMessage = {
    ...REQUEST,
    kind: 'nat-access',
    source: parseAddress('192.0.2.9'),
    ports: [
      { protocol: 'tcp', port: 22 },
      { protocol: 'udp', port: 65_535 },
    ],
    nat: { host: 'inside.example', port: 8022 },
    timeout: 65_536,
  };
  const way = { ...from('2001:db8::7'), transport: 58 };
  bench.hear(sealed(credential(2), message), way);
  const { replayId, ...frame } = bench.frames[0] ?? assert.fail('nothing was told');
  assert.equal(replayId.length, 32);
  assert.deepEqual(frame, {
    type: 'fwknop',
    ...{
      family: 6,
      transport: 58,
      credential: 1,
      serial: 7,
      message: 4,
      time: REQUEST.time,
      timeout: 65_536,
      user: 'ada',
    },
    source: way.source,
    destination: way.destination,
    asked: parseAddress('192.0.2.9'),
    ports: message.ports,
    nat: message.nat,
    command: undefined,
    signers: [],
  });
  bench.hear(sealed(credential(1), command('id -u')));
  assert.deepEqual(
    [bench.frames[1]?.command, bench.frames[1]?.ports, bench.frames[1]?.asked],
    ['id -u', [], undefined],
  );
});

test('whatever a client may write is told as it is, or counted as a field: no message ends the sentry', () => {
  let commands = 0;
  let told = 0;
  fc.assert(
    fc.property(anyMessage, (message) => {
      const bench = new Bench();
      bench.hear(sealed(credential(1), message));
      const { ports, nat, command: text } = { ports: undefined, nat: undefined, command: undefined, ...message };
      if (text !== undefined) commands++;
      const [frame] = bench.frames;
      if (frame === undefined) {
        bench.rest();
        assert.deepEqual(bench.tallies, [{ field: 1 }]);
        assert.match(text ?? assert.fail('only a command may be more than the line takes'), /[^ -~]/);
        return;
      }
      told++;
      assert.deepEqual([frame.user, frame.time, frame.asked], [message.user, message.time, message.source]);
      assert.deepEqual([frame.command, frame.nat], [text, nat]);
      assert.deepEqual(frame.ports, ports ?? []);
    }),
    { numRuns: 1000 },
  );
  assert.ok(commands > 100 && told > 500, `${String(commands)} ${String(told)}`);
});

test('a command of more than the line takes, or with a tab, is counted and told to nobody', () => {
  const bench = new Bench();
  const address = '0.0.0.0,'.length;
  for (const text of ['x\ty', 'h\u00e4', 'x'.repeat(255 - address)]) bench.hear(sealed(credential(1), command(text)));
  bench.rest();
  assert.deepEqual(bench.tallies, [{ opened: 1, field: 2 }]);
  assert.deepEqual(
    bench.frames.map((frame) => frame.command),
    ['x'.repeat(255 - address)],
  );
});

test('everything that was heard is counted once, by what became of it', () => {
  const bench = new Bench([credential(1), credential(2)]);
  const packet = sealed(credential(1));
  for (const payload of [packet, packet, junk(), undefined, junk(100), sealed(credential(3))]) bench.hear(payload);
  bench.full = true;
  bench.hear(sealed(credential(2)));
  bench.full = false;
  const past = junk();
  for (let count = 0; count < 2136; count++) bench.hear(past, from(EVE));
  bench.now += SECOND;
  bench.rest();
  const [tally = {}] = bench.tallies;
  const { budget = 0, ...rest } = tally;
  assert.deepEqual(rest, { opened: 1, duplicate: 1, 'no-key': 2 + 2048, form: 2, busy: 1 });
  assert.equal(budget, 88);
  assert.equal(bench.frames.length, 1);
});

test('counters are told at most once a second, as they are then, and again when the line was full', () => {
  const bench = new Bench();
  assert.equal(bench.rest(), Infinity);
  bench.hear(undefined);
  assert.equal(bench.rest(), Infinity);
  assert.deepEqual(bench.tallies, [{ form: 1 }]);
  bench.now += 250_000;
  bench.hear(undefined);
  assert.equal(bench.rest(), 750);
  bench.now += 749_999;
  assert.equal(bench.rest(), 0.001);
  assert.equal(bench.tallies.length, 1);
  bench.full = true;
  bench.now += 1;
  assert.equal(bench.rest(), 1000);
  bench.full = false;
  bench.now += 999_999;
  bench.rest();
  assert.equal(bench.tallies.length, 1);
  bench.now += 1;
  assert.equal(bench.rest(), Infinity);
  assert.deepEqual(bench.tallies, [{ form: 1 }, { form: 2 }]);
  bench.now -= 3600 * SECOND;
  bench.hear(undefined);
  assert.equal(bench.rest(), Infinity);
  assert.deepEqual(bench.tallies[2], { form: 3 }, 'also when the clock goes back');
});

test('gpg without somebody who decrypts is refused', () => {
  const bench = new Bench([{ kind: 'gpg', hmac: undefined }]);
  bench.hear(junk(602));
  bench.rest();
  assert.deepEqual([bench.tallies, bench.frames], [[{ 'gpg-refused': 1 }], []]);
});

test('a message that the first key does not decrypt is tried with the next one, whatever was read into the same buffer meanwhile', () => {
  const asked: { credential: number; ciphertext: Uint8Array; context: GpgAsked }[] = [];
  const forwarder = new FwknopForwarder({
    send: () => true,
    gpg: (credential_, ciphertext, context) => {
      asked.push({ credential: credential_, ciphertext: Uint8Array.from(ciphertext), context });
      return true;
    },
  });
  const gpg: FwknopCredential = { kind: 'gpg', hmac: undefined };
  for (const frame of table(7, [piece(gpg), piece(gpg)])) forwarder.obey(frame);
  const buffer = Buffer.from(junk(602));
  forwarder.hear(buffer.subarray(), from(ADA), START as UnixMicros);
  const [first] = asked;
  assert.ok(first !== undefined);
  buffer.set(junk(602));
  const answer = {
    id: 0,
    credential: first.credential,
    outcome: 'refused',
    plaintext: new Uint8Array(),
    signatures: [],
  };
  forwarder.answer(answer as GpgAnswer, first.context, START as UnixMicros);
  assert.deepEqual(
    asked.map(({ credential: index, ciphertext }) => ({ index, ciphertext })),
    [0, 1].map((index) => ({ index, ciphertext: first.ciphertext })),
  );
});
