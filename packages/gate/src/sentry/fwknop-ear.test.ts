import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix, type UnixMicros } from '@postern/protocol';
import type { FwknopCredential } from '@postern/protocol/fwknop';
import fc from 'fast-check';
import type { CredentialPiece, MappedPrefix } from '../line/fwknop-codec.ts';
import { FwknopEar } from './fwknop-ear.ts';
import { credential, from, junk, piece, sealed, table } from './fwknop-packets.fixture.ts';

const NOW = 1_800_000_000_000_000;
const SECOND = 1_000_000;

function prefix(text: string): MappedPrefix {
  const { family, address, prefix: bits } = parsePrefix(text) ?? assert.fail(text);
  return { address, bits: family === 4 ? 96 + bits : bits };
}

/** An ear with a table, and a clock. */
class Bench {
  readonly ear = new FwknopEar();
  now = NOW;
  #serial = 0;

  constructor(pieces: readonly CredentialPiece[]) {
    this.tell(pieces);
  }

  tell(pieces: readonly CredentialPiece[]): void {
    for (const frame of table(++this.#serial, pieces)) this.ear.obey(frame);
  }

  /** The number of the credential that opened, or why none did. */
  hear(payload: Uint8Array, source: string, to?: string): number | string {
    const opened = this.ear.open(payload, from(source, to), this.now as UnixMicros);
    return opened.ok ? opened.value.credential : opened.reason;
  }

  /** How often junk from there is looked at before the ration is used up. */
  exhaust(source: string, most = 100_000, size?: number): number {
    const payload = junk(size);
    for (let count = 0; count < most; count++) if (this.hear(payload, source) === 'budget') return count;
    return most;
  }
}

const [ADA, BOB, EVE] = ['192.0.2.1', '198.51.100.77', '203.0.113.66'];
const gpg: FwknopCredential = { kind: 'gpg', hmac: undefined };

test('each packet is opened by the credential that it was made with', () => {
  const pieces = Array.from({ length: 20 }, (_, number) => credential(number));
  const bench = new Bench(pieces.map((it) => piece(it)));
  pieces.forEach((it, number) => {
    assert.equal(bench.hear(sealed(it), `192.0.2.${String(number)}`), number);
  });
  assert.equal(bench.hear(junk(), EVE), 'no-key');
  assert.equal(bench.hear(sealed(credential(21)), EVE), 'no-key');
  assert.equal(bench.hear(junk(139), EVE), 'form');
  assert.equal(bench.hear(junk(1501), EVE), 'form');
  const strange = junk();
  strange[100] = 0x3d;
  assert.equal(bench.hear(strange, EVE), 'form');
});

test('a table is taken into use whole, or not at all', () => {
  const key = (number: number): CredentialPiece => piece(credential(number));
  const bench = new Bench([key(1), key(2)]);
  const next = table(9, [key(3), key(4), key(5)]);
  const late = sealed(credential(3));
  next.forEach((frame, index) => {
    assert.deepEqual([bench.ear.serial, bench.hear(sealed(credential(2)), ADA)], [1, 1], `after ${String(index)}`);
    assert.equal(bench.hear(late, ADA), 'no-key');
    bench.ear.obey(frame);
  });
  assert.deepEqual([bench.ear.serial, bench.hear(late, ADA), bench.hear(sealed(credential(2)), ADA)], [9, 0, 'no-key']);
  bench.tell([]);
  assert.equal(bench.hear(sealed(credential(3)), ADA), 'form');
});

test('of two tables that are told at once, in pieces and with gaps, only a whole one is ever in use', () => {
  const tables = [1, 2, 3].map((serial) =>
    table(
      serial,
      Array.from({ length: serial + 1 }, (_, index) => piece(credential(10 * serial + index))),
    ),
  );
  const frames = tables.flat();
  const all = frames.map((_, index) => index);
  const piecesOfTables = fc
    .tuple(fc.constantFrom(0, 2, 5, 1, 6), fc.integer({ min: 1, max: 4 }))
    .map(([at, count]) => all.slice(at, at + count));
  let changed = 0;
  fc.assert(
    fc.property(fc.array(piecesOfTables, { maxLength: 8 }), (runs) => {
      const ear = new FwknopEar();
      let expected = 0;
      let run: number[] = [];
      for (const at of runs.flat()) {
        const frame = frames[at] ?? assert.fail();
        ear.obey(frame);
        // The slow twin: a table is there when its frames came one after the other, from the first on.
        run =
          frame.index === 0 ? [at] : at - (run.at(-1) ?? NaN) === 1 && run[0] === at - frame.index ? [...run, at] : run;
        if (run.length === frame.pieces && run.at(-1) === at) {
          expected = frame.serial;
          changed++;
        }
        assert.equal(ear.serial, expected);
      }
      for (const { length } of tables) {
        for (let index = 0; index < length; index++) {
          const opened = ear.open(sealed(credential(10 * (length - 1) + index)), from(ADA), NOW as UnixMicros);
          assert.equal(opened.ok, expected === length - 1);
        }
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(changed > 50, String(changed));
});

test('a source may use only what names it, and one that is named by nobody costs nothing', () => {
  const bench = new Bench([
    piece(credential(1), [prefix('192.0.2.0/24')]),
    piece(credential(2), [prefix('2001:db8::/32'), prefix('203.0.113.66/32')]),
    piece(credential(3), []),
  ]);
  assert.equal(bench.hear(sealed(credential(1)), ADA), 0);
  assert.equal(bench.hear(sealed(credential(2)), ADA), 'no-key');
  assert.equal(bench.hear(sealed(credential(2)), '2001:db8::7'), 1);
  assert.equal(bench.hear(sealed(credential(1)), '2001:db8::7'), 'no-key');
  assert.equal(bench.hear(sealed(credential(3)), ADA), 'no-key');
  for (let count = 0; count < 2000; count++) assert.equal(bench.hear(junk(), BOB), 'source');
  // Of the same /24 as the one that is named, whose ration is as it was.
  for (let count = 0; count < 2000; count++) bench.hear(junk(), '203.0.113.67');
  assert.equal(bench.hear(sealed(credential(2)), EVE), 1);
});

test('one source has half of the ration of its prefix, which takes nothing from another prefix and comes back with time', () => {
  const bench = new Bench([piece(credential(1))]);
  assert.equal(bench.exhaust(EVE), 2048);
  assert.equal(bench.hear(sealed(credential(1)), '203.0.113.1'), 0, 'a neighbour in its /24');
  assert.equal(bench.exhaust('203.0.113.2'), 2047);
  assert.equal(bench.hear(sealed(credential(1)), '203.0.113.3'), 'budget', 'two loud ones in its /24');
  assert.equal(bench.hear(sealed(credential(1)), '203.0.114.1'), 0, 'but nobody else');
  bench.now += SECOND / 2048;
  assert.equal(bench.hear(sealed(credential(1)), '203.0.113.4'), 0);
  const six = new Bench([piece(credential(1))]);
  assert.equal(six.exhaust('2001:db8:0:1ff::1'), 2048);
  assert.equal(six.hear(sealed(credential(1)), '2001:db8:0:1ff::9'), 'budget', 'its /64');
  assert.equal(six.exhaust('2001:db8:0:101::1'), 2048);
  assert.equal(six.hear(sealed(credential(1)), '2001:db8:0:100::9'), 'budget', 'its /56');
  assert.equal(six.hear(sealed(credential(1)), '2001:db8:0:200::9'), 0);
});

test('what a prefix without a ration sends takes nothing from others, from however many sources it comes', () => {
  const bench = new Bench([piece(credential(1))]);
  const payload = junk();
  for (let source = 0; source < 30_000; source++)
    bench.hear(payload, `2001:db8:0:1${(source & 255).toString(16).padStart(2, '0')}::${(source >> 8).toString(16)}`);
  assert.equal(bench.hear(sealed(credential(1)), '2001:db8:0:1ff::9'), 'budget', 'its /56');
  assert.equal(bench.hear(sealed(credential(1)), '2001:db8:0:200::9'), 0, 'another one');
});

test('many credentials, and those without an HMAC, cost more of the ration', () => {
  const many = (count: number, over = {}): CredentialPiece[] =>
    Array.from({ length: count }, (_, number) => piece(credential(number, over)));
  assert.equal(new Bench(many(128)).exhaust(EVE), 2048);
  assert.equal(new Bench(many(129)).exhaust(EVE), 1024);
  assert.equal(new Bench(many(1000)).exhaust(EVE), 256);
  const sha512 = { hmac: { digest: 'sha512', key: new Uint8Array(64).fill(1) } };
  assert.equal(new Bench(many(8, sha512)).exhaust(EVE), 2048);
  assert.equal(new Bench(many(16, sha512)).exhaust(EVE), 1024);
  assert.equal(new Bench(many(1, { hmac: undefined })).exhaust(EVE), 2048);
  assert.equal(new Bench(many(100, { hmac: undefined })).exhaust(EVE), 20);
  assert.equal(new Bench(many(1000, { hmac: undefined })).exhaust(EVE), 2);
  // As does a longer packet, of which there is more to hash; a shorter one is as good as one of the usual size.
  assert.equal(new Bench(many(128)).exhaust(EVE, 5000, 1420), 409);
  assert.equal(new Bench(many(128)).exhaust(EVE, 5000, 140), 2048);
  // Only those that the source may use count.
  const mixed = [...many(2), ...many(1000).map((it) => ({ ...it, sources: [prefix('10.0.0.0/8')] }))];
  assert.equal(new Bench(mixed).exhaust(EVE), 2048);
});

test('where the work is not rationed there is no ration', () => {
  assert.equal(new Bench([piece(credential(1), undefined, true)]).exhaust(EVE, 5000), 5000);
});

test('a source that is known gets through whatever strangers send, also from everywhere', () => {
  const bench = new Bench([piece(credential(1)), piece(credential(2))]);
  assert.equal(bench.hear(sealed(credential(2)), ADA), 1);
  bench.exhaust('192.0.2.200');
  bench.exhaust('192.0.2.201');
  const payload = junk();
  for (let net = 0; net < 100; net++)
    for (let count = 0; count < 4096; count++) bench.hear(payload, `10.1.${String(net)}.9`);
  assert.equal(bench.hear(sealed(credential(2)), BOB), 'budget', 'a stranger');
  for (let count = 0; count < 20; count++) assert.equal(bench.hear(sealed(credential(2)), ADA), 1);
  assert.equal(bench.hear(sealed(credential(1)), ADA), 'budget', 'but with what it used last');
  for (let count = 0; count < 200; count++) bench.hear(payload, ADA);
  assert.equal(bench.hear(sealed(credential(2)), ADA), 'budget', 'and not without an end');
});

test('what is known is what opened last, and counts in its table', () => {
  const bench = new Bench([piece(credential(1)), piece(credential(2))]);
  bench.hear(sealed(credential(1)), ADA);
  bench.hear(sealed(credential(2)), ADA);
  bench.exhaust('192.0.2.200');
  bench.exhaust('192.0.2.201');
  assert.deepEqual([bench.hear(sealed(credential(2)), ADA), bench.hear(sealed(credential(1)), ADA)], [1, 'budget']);
  bench.tell([piece(credential(1)), piece(credential(2))]);
  assert.equal(bench.hear(sealed(credential(2)), ADA), 'budget', 'nobody is known to a new table');
});

test('a copy makes nobody known: who has one packet of somebody else cannot push out those who have a key', () => {
  const bench = new Bench([piece(credential(1))]);
  bench.hear(sealed(credential(1)), ADA);
  const stolen = sealed(credential(1));
  let heard = 0;
  for (let number = 0; number < 17_000; number++) {
    bench.now += 1000;
    if (bench.hear(stolen, `10.${String(number >> 8)}.${String(number & 255)}.1`) === 0) heard++;
  }
  assert.equal(heard, 4, 'from four sources: it may have been relayed');
  bench.exhaust('192.0.2.200');
  bench.exhaust('192.0.2.201');
  assert.equal(bench.hear(sealed(credential(1)), ADA), 0);
});

test('what needs no key makes nobody known either', () => {
  const bench = new Bench([piece(credential(1)), piece(gpg)]);
  bench.hear(sealed(credential(1)), ADA);
  // Whoever knows that address.
  assert.equal(bench.hear(junk(602), ADA), 1);
  bench.exhaust('192.0.2.200');
  bench.exhaust('192.0.2.201');
  assert.equal(bench.hear(sealed(credential(1)), ADA), 0);
});

test('a copy is told once by each way that it comes', () => {
  const bench = new Bench([piece(credential(1))]);
  const packet = sealed(credential(1));
  assert.deepEqual([bench.hear(packet, ADA), bench.hear(packet, ADA)], [0, 'duplicate']);
  assert.deepEqual(
    [bench.hear(packet, ADA, '198.51.100.2'), bench.hear(packet, ADA, '198.51.100.2')],
    [0, 'duplicate'],
  );
  assert.deepEqual([bench.hear(packet, BOB), bench.hear(packet, BOB)], [0, 'duplicate']);
  assert.equal(bench.hear(packet, '10.0.0.1'), 0);
  assert.equal(bench.hear(packet, '10.0.0.2'), 'duplicate', 'and by four ways at most');
});

test('without an HMAC, text that decodes to the same is a copy or nothing', () => {
  const open = credential(1, { hmac: undefined });
  const bench = new Bench([piece(open)]);
  const packet = sealed(open);
  assert.equal(bench.hear(packet, ADA), 0);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const last = alphabet.indexOf(String.fromCharCode(packet.at(-1) ?? 0));
  for (let bits = 1; bits < 64; bits++) {
    const other = packet.slice();
    other[other.length - 1] = alphabet.charCodeAt(last ^ bits);
    assert.ok(typeof bench.hear(other, ADA) === 'string', String(bits));
  }
  for (const more of ['=', '==', 'A', 'AA', 'AAAA'])
    assert.ok(typeof bench.hear(Buffer.concat([packet, Buffer.from(more)]), ADA) === 'string', more);
});

test('a clock that goes back locks nobody out', () => {
  const bench = new Bench([piece(credential(1))]);
  bench.hear(sealed(credential(1)), ADA);
  for (let count = 0; count < 200; count++) bench.hear(junk(), ADA);
  bench.exhaust('192.0.2.200');
  bench.exhaust('192.0.2.201');
  assert.equal(bench.hear(sealed(credential(1)), ADA), 'budget');
  bench.now -= 3600 * SECOND;
  assert.equal(bench.hear(sealed(credential(1)), ADA), 0);
  assert.equal(bench.hear(sealed(credential(1)), '192.0.2.9'), 0);
});

test('what is given does not change with the buffer that it was read from', () => {
  const ear = new FwknopEar();
  for (const frame of table(1, [piece(credential(1)), piece({ kind: 'gpg', hmac: undefined })])) ear.obey(frame);
  for (const payload of [sealed(credential(1)), junk(602)]) {
    const opened = ear.open(payload, from(ADA), NOW as UnixMicros);
    const before = structuredClone(opened);
    payload.fill(0x41);
    assert.deepEqual(opened, before);
  }
});

test('it is total on arbitrary bytes', () => {
  const bench = new Bench([piece(credential(1)), piece(credential(2, { hmac: undefined })), piece(gpg)]);
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ABab01+/=')), minLength: 130, maxLength: 1510 });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 1600 }),
        text.map((it) => Buffer.from(it)),
      ),
      (bytes) => {
        bench.now += SECOND;
        bench.hear(bytes, EVE);
      },
    ),
    { numRuns: 500 },
  );
});

test('what needs no key, with the end of a packet that is on its way, does not make that one a copy', () => {
  const bench = new Bench([piece(gpg)]);
  const [forged, honest] = [junk(402), junk(402)];
  forged.set(honest.subarray(-30), forged.length - 30);
  assert.equal(bench.hear(forged, EVE), 0);
  assert.equal(bench.hear(honest, EVE), 0);
  assert.equal(bench.hear(honest, EVE), 'duplicate');
});
