import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServiceName, UnixMicros } from './brand.ts';
import { concat, isZero } from './bytes.ts';
import { STATEMENT } from './layout.ts';
import type { Refusal } from './refusal.ts';
import { decodeStatement, encodeStatement, isServiceName, type Statement } from './statement.ts';
import { anyStatement, bytesOf, statementArbitrary } from './testdata/arbitrary.ts';
import { readVectors } from './testdata/read-vectors.ts';
import { seeded } from './testdata/seeded.ts';
import type { ValidFile } from './testdata/vector-files.ts';

const signature = bytesOf(64);

test('decoding what was encoded gives the same statement', () => {
  fc.assert(
    fc.property(anyStatement, signature, fc.constantFrom(0, 24, 92), (statement, sig, zeros) => {
      const plaintext = concat(encodeStatement(statement), sig, new Uint8Array(zeros));
      assert.deepEqual(decodeStatement(plaintext), { ok: true, value: statement });
    }),
    { numRuns: 1000 },
  );
});

test('half a million spoilt statements: each is refused, or is the one encoding of what it says', () => {
  const random = seeded('spoilt statements');
  const originals = (readVectors('spa-v1-valid.json') as ValidFile).vectors.map(({ plaintext }) =>
    Buffer.from(plaintext, 'hex').subarray(0, 207),
  );
  const bytes = new Uint8Array(207);
  let accepted = 0;
  for (let run = 0; run < 25_000; run++) {
    const draws = random(120);
    for (let i = 0; i < 120; i += 6) {
      const [which = 0, at = 0, value = 0, at2 = 0, value2 = 0, form = 0] = draws.subarray(i, i + 6);
      bytes.set(originals[which % originals.length] ?? bytes);
      // Places of one byte and values that matter are tried more often than chance would.
      bytes[form < 128 ? at % 207 : at < 64 ? 62 + (at % 23) : 84 + (at % 35)] = form % 4 === 0 ? value % 8 : value;
      if (form % 2 === 0) bytes[at2 % 119] = value2;
      const decoded = decodeStatement(bytes);
      if (!decoded.ok) continue;
      accepted++;
      assert.ok(Buffer.compare(encodeStatement(decoded.value), bytes.subarray(0, STATEMENT.signed)) === 0);
      assert.ok(isZero(bytes, STATEMENT.end));
    }
  }
  assert.ok(accepted > 50_000, 'enough of them were accepted to mean something');
});

test('a quarter of a million random plaintexts of any length: an answer and never an exception', () => {
  const random = seeded('random plaintexts');
  for (let run = 0; run < 2500; run++) {
    const noise = random(600);
    for (let i = 0; i < 100; i++) {
      const plaintext = noise.subarray(i, i + ((i * 7 + run) % 300));
      if (i % 2 === 0 && plaintext.length > 0) plaintext[0] = i % 6;
      if (i % 4 === 0 && plaintext.length > 1) plaintext[1] = 0;
      const decoded = decodeStatement(plaintext);
      assert.ok(!decoded.ok, 'random bytes do not happen to be zero where they must');
      assert.equal(decoded.reason === 'length', plaintext.length < STATEMENT.end);
    }
  }
});

test('every reason of the decoder is reached by one change, and the first of two that apply is told', () => {
  const open = statementArbitrary('open');
  const table: [Refusal, offset: number, byte: number][] = [
    ['kind', STATEMENT.kind, 6],
    ['flags', STATEMENT.flags, 2],
    ['source-type', STATEMENT.sourceType, 5],
    ['source-form', STATEMENT.prefixLength, 200],
    ['service-name', STATEMENT.service, 0x2e],
    ['key-type', STATEMENT.keyType, 2],
    ['signature-length', STATEMENT.signatureLength, 1],
    ['padding', STATEMENT.end, 1],
    ['time-range', STATEMENT.time, 0x20],
  ];
  fc.assert(
    fc.property(open, signature, (statement, sig) => {
      const original = concat(encodeStatement(statement), sig, new Uint8Array(1));
      for (const [i, [reason, at, byte]] of table.entries()) {
        const bytes = original.slice();
        bytes[at] = byte;
        assert.deepEqual(decodeStatement(bytes), { ok: false, reason });
        for (const [, laterAt, laterByte] of table.slice(i + 1)) {
          const both = bytes.slice();
          both[laterAt] = laterByte;
          assert.deepEqual(decodeStatement(both), { ok: false, reason });
        }
      }
    }),
  );
});

test('what cannot be written in one way is never written: encoding it is a bug', () => {
  const base: Statement = {
    kind: 'open',
    singleUse: false,
    device: '00'.repeat(16) as Statement['device'],
    era: 0,
    time: 1 as UnixMicros,
    stateId: new Uint8Array(8),
    requestId: '00'.repeat(8) as Statement['requestId'],
    audience: new Uint8Array(16),
    source: { type: 'observed' },
    seconds: 0,
    service: 'ssh' as ServiceName,
    newDevice: undefined,
  };
  encodeStatement(base);
  const address = new Uint8Array(16).fill(0x20);
  const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1);
  const wrong: Partial<Statement>[] = [
    { kind: 'extend', singleUse: true },
    { device: '00' as Statement['device'] },
    { device: 'x'.repeat(32) as Statement['device'] },
    { era: 2 ** 32 },
    { era: 0.5 },
    { time: -1 as UnixMicros },
    { time: (2 ** 53) as UnixMicros },
    { stateId: new Uint8Array(7) },
    { requestId: '' as Statement['requestId'] },
    { audience: new Uint8Array(17) },
    { source: { type: 6, prefix: 300, address } },
    { source: { type: 6, prefix: 0, address: new Uint8Array(16) } },
    { source: { type: 6, prefix: 64, address } },
    { source: { type: 6, prefix: 128, address: mapped } },
    { source: { type: 4, prefix: 32, address } },
    { source: { type: 4, prefix: 33, address: mapped } },
    { source: { type: 4, prefix: 32, address: mapped.subarray(12) } },
    { seconds: -1 },
    { seconds: 2 ** 32 },
    { service: undefined },
    { service: '' as ServiceName },
    { service: 'SSH' as ServiceName },
    { service: 'a'.repeat(33) as ServiceName },
    { newDevice: new Uint8Array(32) },
    { kind: 'close', source: { type: 6, prefix: 128, address } },
    { kind: 'close', seconds: 1 },
    { kind: 'whoami' },
    { kind: 'enrol', service: undefined },
    { kind: 'enrol', service: undefined, newDevice: new Uint8Array(31) },
  ];
  for (const changes of wrong) {
    assert.throws(() => encodeStatement({ ...base, ...changes }), /RangeError|TypeError/, JSON.stringify(changes));
  }
});

test('what a statement holds is its own: reusing the plaintext changes nothing', () => {
  fc.assert(
    fc.property(anyStatement, signature, (statement, sig) => {
      const plaintext = Buffer.from(concat(encodeStatement(statement), sig));
      const decoded = decodeStatement(plaintext);
      plaintext.fill(0xff);
      assert.deepEqual(decoded, { ok: true, value: statement });
    }),
  );
});

test('service names are short, lower-case and without anything that a shell or a file system would take for more', () => {
  for (const name of ['ssh', 'a', '0', '-', 'a'.repeat(32)]) assert.ok(isServiceName(name), name);
  for (const name of ['', 'a'.repeat(33), 'A', 'a.b', 'a/b', 'a b', 'a\n', 'é', 'a\0'])
    assert.ok(!isServiceName(name), name);
});
