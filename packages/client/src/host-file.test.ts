import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { secret, type ServiceName, toHex, type UnixMicros } from '@postern/protocol';
import type { Host, Memory } from './host.ts';
import { decodeHost, encodeHost, HostFileError, summaryOf } from './host-file.ts';

const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });
const secrets = bytes(32).map(secret);
/** A record as our own code makes them. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const micros = fc.maxSafeNat().map((time) => time as UnixMicros);
const u32 = fc.nat(0xffff_ffff);

const memory: fc.Arbitrary<Memory> = record({
  sender: record({
    era: u32,
    last: micros,
    heard: u32,
    offset: fc.maxSafeInteger(),
    stateId: bytes(8),
    gateKey: secrets,
  }),
  formerKey: fc.option(secrets, { nil: undefined }),
  seen: fc
    .array(fc.tuple(fc.string({ minLength: 1 }), record({ address: bytes(16), at: micros })), { maxLength: 4 })
    .map((entries) => new Map(entries.filter(([network]) => network !== '__proto__'))),
  roundTrip: fc.option(record({ smoothed: fc.nat(), variation: fc.nat() }), { nil: undefined }),
});

const plain: fc.Arbitrary<Omit<Host, 'knockKey' | 'knockedSlot'>> = record({
  name: fc.constantFrom('web1', 'a', 'web-1.example.com'),
  seed: secrets,
  gate: record({ x25519: bytes(32), xwing: bytes(1216) }),
  addresses: fc.array(fc.constantFrom('192.0.2.1', '2001:db8::1', 'gate.example.com')),
  port: fc.integer({ min: 1, max: 65_535 }),
  pq: fc.constantFrom('required', 'off'),
  services: fc.array(fc.constantFrom('ssh', 'imap').map((name) => name as ServiceName)),
  joined: micros,
  memory,
  enrolment: fc.option(record({ seed: secrets, expires: micros, memory }), { nil: undefined }),
});

const host: fc.Arbitrary<Host> = fc
  .tuple(plain, fc.record({ knockKey: secrets, knockedSlot: fc.maxSafeNat() }, { requiredKeys: [] }))
  .map(([value, knocking]) => ({ ...value, ...knocking }));

test('a host is read as it was written', () => {
  fc.assert(
    fc.property(host, (value) => {
      assert.equal(encodeHost(decodeHost(encodeHost(value))), encodeHost(value));
      assert.deepEqual(decodeHost(encodeHost(value)), value);
    }),
    { numRuns: 50 },
  );
});

const OPTIONAL = ['xwing', 'formerKey', 'roundTrip', 'enrolment', 'knockKey', 'knockedSlot'];

function paths(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]))];
}

test('a field that is missing or of another type is an error that names it and shows no secret', () => {
  fc.assert(
    fc.property(host, (value) => {
      const text = encodeHost({ ...value, pq: 'required' });
      const all = paths(JSON.parse(text)).filter(([first]) => first !== undefined);
      for (const path of all) {
        if (path.includes('seen') && path.length > 2) continue;
        for (const wrong of [undefined, null, true, -1, 'x', { a: 1 }]) {
          const broken = JSON.parse(text) as Record<string, unknown>;
          let at = broken;
          for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
          const last = path.at(-1) ?? '';
          if (wrong === undefined && OPTIONAL.includes(last) && last !== 'xwing') continue;
          if (
            (wrong === -1 && ['offset', 'smoothed', 'variation'].includes(last)) ||
            (last === 'seen' && wrong !== null)
          )
            continue;
          if (wrong === 'x' && last === 'name') continue;
          if (wrong === undefined) Reflect.deleteProperty(at, last);
          else at[last] = wrong;
          assert.throws(
            () => decodeHost(JSON.stringify(broken)),
            (error) =>
              error instanceof HostFileError &&
              error.message.includes(last) &&
              !error.message.includes(toHex(value.seed)),
            `${path.join('.')} = ${JSON.stringify(wrong)}`,
          );
        }
      }
    }),
    { numRuns: 5 },
  );
});

test('any text is read or refused with a HostFileError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        decodeHost(text);
      } catch (error) {
        assert.ok(error instanceof HostFileError);
      }
    }),
  );
});

test('a key for knocks is kept, sealed too, shown nowhere, and no loss to a file that has none', () => {
  fc.assert(
    fc.property(plain, secrets, (value, knockKey) => {
      const hex = toHex(knockKey);
      const text = encodeHost({ ...value, knockKey });
      const { knockKey: kept, ...fields } = JSON.parse(text) as Record<string, unknown>;
      assert.equal(kept, hex);
      // As a version that knows nothing of it writes the file.
      assert.deepEqual(decodeHost(JSON.stringify(fields)), value);
      assert.ok(!JSON.stringify(summaryOf({ ...value, knockKey })).includes(hex.slice(0, 12)));
      const lock = { cost: { memory: 8, passes: 1, lanes: 1 }, salt: new Uint8Array(16), key: value.seed };
      const sealed = encodeHost({ ...value, knockKey, lock });
      assert.ok(!sealed.includes(hex.slice(0, 12)));
      assert.deepEqual(decodeHost(sealed, () => lock).knockKey, knockKey);
    }),
    { numRuns: 20 },
  );
});

test('a file of a later version is refused as that', () => {
  assert.throws(() => decodeHost('{"format":3}'), /format 3 is newer than this program/);
});

test('printing a host shows no secret', () => {
  const [value] = fc.sample(host, { numRuns: 1, seed: 1 });
  assert.ok(value);
  const decoded = decodeHost(encodeHost({ ...value, enrolment: undefined }));
  const shown = inspect(decoded, { depth: 9 }) + JSON.stringify(decoded);
  assert.match(shown, /\[secret, 32 bytes\]/);
  const first = [...decoded.seed.subarray(0, 4)];
  assert.ok(!shown.includes(first.join(', ')) && !shown.includes(toHex(decoded.seed).slice(0, 12)));
});
