import assert from 'node:assert/strict';
import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { toHex, type UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import fc from 'fast-check';
import { makeGateSecrets, readGateKey, writeGateKey, type GateSecrets } from './gate-key.ts';
import { Secret } from './secret.ts';
import { makePlace } from './testing.ts';

function refusal(work: () => unknown): PersonError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof PersonError, String(error));
    return error;
  }
  return assert.fail('was accepted');
}

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Secret(bytes));
const secrets: fc.Arbitrary<GateSecrets> = fc.record({
  x25519: key,
  xwing: key,
  keys: fc.oneof(
    fc.record({ current: key, next: fc.constant(undefined), since: fc.constant(undefined), again: fc.boolean() }),
    fc.record({
      current: key,
      next: key,
      since: fc.nat(Number.MAX_SAFE_INTEGER).map((time) => time as UnixMicros),
      again: fc.boolean(),
    }),
  ),
});

test('whatever is written is read again', () => {
  using place = makePlace();
  const file = place.path('gate.key');
  fc.assert(
    fc.property(secrets, (it) => {
      writeGateKey(file, it);
      assert.deepEqual(readGateKey(file), { ...it, keys: { ...it.keys } });
    }),
    { numRuns: 50 },
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(place.directory), ['gate.key'], 'no draft is left behind');
});

test('a rotation goes on after a restart: plain bytes are written like secret ones', () => {
  using place = makePlace();
  const file = place.path('gate.key');
  const before = makeGateSecrets((size) => new Uint8Array(size).fill(7));
  const next = new Uint8Array(32).fill(9);
  writeGateKey(file, {
    ...before,
    keys: { ...before.keys, next, since: 1_790_000_000_000_123 as UnixMicros, again: true },
  });
  const after = readGateKey(file);
  assert.equal(toHex(after.keys.next ?? new Uint8Array()), toHex(next));
  assert.deepEqual([after.keys.since, after.keys.again], [1_790_000_000_000_123, true]);
});

test('the three secrets of a new gate are drawn independently', () => {
  let drawn = 0;
  const it = makeGateSecrets((size) => new Uint8Array(size).fill(++drawn));
  assert.deepEqual([it.x25519[0], it.xwing[0], it.keys.current[0]], [1, 2, 3]);
  assert.doesNotMatch(inspect(it, { depth: 9 }) + JSON.stringify(it), /1, ?1|2, ?2|3, ?3/);
});

test('a new key file never replaces one that is there', () => {
  using place = makePlace();
  const file = place.path('gate.key');
  const it = makeGateSecrets((size) => new Uint8Array(size));
  writeGateKey(file, it, true);
  const text = place.read('gate.key');
  assert.match(
    refusal(() => {
      writeGateKey(
        file,
        makeGateSecrets((size) => new Uint8Array(size).fill(1)),
        true,
      );
    }).message,
    /exists already/,
  );
  assert.equal(place.read('gate.key'), text);
});

test('a key file that others may read is refused, with the command that mends it', () => {
  using place = makePlace();
  const file = place.path('gate.key');
  writeGateKey(
    file,
    makeGateSecrets((size) => new Uint8Array(size)),
  );
  for (const [mode, who] of [
    [0o644, 'everybody (mode 0644)'],
    [0o640, 'its group (mode 0640)'],
    [0o602, 'everybody (mode 0602)'],
    [0o610, 'its group (mode 0610)'],
  ] as const) {
    chmodSync(file, mode);
    const error = refusal(() => readGateKey(file));
    assert.equal(error.message, `${file}: the secret keys are open to ${who}`);
    assert.equal(error.hint, `chmod 600 ${file}`);
    assert.equal(error.exitCode, EXIT.configuration);
  }
  chmodSync(file, 0o400);
  readGateKey(file);
});

test('a key file of another user is refused', (context) => {
  if (process.getuid?.() !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'this test needs root');
    context.skip('NOT TRIED: giving a file away needs root');
    return;
  }
  using place = makePlace();
  const file = place.path('gate.key');
  writeGateKey(
    file,
    makeGateSecrets((size) => new Uint8Array(size)),
  );
  chownSync(file, 12_345, 0);
  assert.match(refusal(() => readGateKey(file)).message, /belong to the user with id 12345/);
});

test('a damaged key file is an error that says where, and never shows a part of a key', () => {
  const hex = 'c0ffee'.repeat(10) + 'beef';
  const good = `x25519 = "${hex}"\nxwing = "${hex}"\ngate_key = "${hex}"\n`;
  const table: readonly (readonly [string, RegExp])[] = [
    [
      good.replace(`x25519 = "${hex}"`, `x25519 = "${hex.slice(2)}"`),
      /gate\.key:1:1: x25519: 64 lower-case hexadecimal digits are expected, but something else came$/,
    ],
    [good.replace('xwing', 'xwing2'), /gate\.key:1:1: `xwing` is missing$|unknown key `xwing2`$/],
    [good.replace(`"${hex}"\nxwing`, `"${hex}\nxwing`), /gate\.key:1:\d+: /],
    [`${good}next_gate_key = "${hex}"\n`, /gate\.key:4:1: `next_gate_key` and `next_since` belong together$/],
    [`${good}next_since = -1\n`, /next_since: microseconds since 1970 are expected/],
    [`${good}rotate_again = 1\n`, /rotate_again: true or false is expected/],
    ['', /`x25519` is missing/],
  ];
  for (const [text, expected] of table) {
    using place = makePlace({ 'gate.key': text });
    const error = refusal(() => readGateKey(place.path('gate.key')));
    assert.match(error.message, expected);
    assert.doesNotMatch(inspect({ message: error.message, hint: error.hint }), /c0ffee|ffee/);
    assert.equal(error.exitCode, EXIT.configuration);
  }
});

test('a missing key file says how to make one', () => {
  using place = makePlace();
  const error = refusal(() => readGateKey(place.path('gate.key')));
  assert.match(error.message, /gate\.key: does not exist$/);
  assert.match(error.hint ?? '', /posternd init/);
});
