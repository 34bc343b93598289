import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServiceName, UnixMicros } from './brand.ts';
import { ascii, concat } from './bytes.ts';
import { sha256 } from './crypto.ts';
import { decodeInvite, encodeInvite, type Invite } from './invite.ts';

const HEAD = 'postern-invite-1-';

const size = (bytes: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: bytes, maxLength: bytes });
const invites: fc.Arbitrary<Invite> = fc
  .record({
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
    seed: size(32),
    gateKey: size(32),
    x25519: size(32),
    xwing: fc.option(size(1216), { nil: undefined }),
    stateId: size(8),
    addresses: fc.array(fc.constantFrom('gate.example', '192.0.2.7', '2001:db8::7', 'xn--bcher-kva.example.', 'h'), {
      minLength: 1,
      maxLength: 16,
    }),
    port: fc.integer({ min: 1, max: 65_535 }),
    expires: fc.maxSafeNat().map((micros) => micros as UnixMicros),
    required: fc.boolean(),
    services: fc.array(
      fc.stringMatching(/^[a-z0-9-]{1,32}$/).map((name) => name as ServiceName),
      { maxLength: 64 },
    ),
  })
  .map(
    ({ required, ...invite }) =>
      ({ ...invite, pq: required && invite.xwing !== undefined ? 'required' : 'off' }) as const,
  );

const EXAMPLE: Invite = {
  name: 'home',
  seed: new Uint8Array(32).fill(1),
  gateKey: new Uint8Array(32).fill(2),
  x25519: new Uint8Array(32).fill(3),
  xwing: undefined,
  stateId: new Uint8Array(8).fill(4),
  addresses: ['gate.example', '2001:db8::7'],
  port: 62201,
  expires: 1_790_000_000_000_000 as UnixMicros,
  pq: 'off',
  services: ['ssh' as ServiceName],
};

function reason(text: string): string {
  const result = decodeInvite(text);
  return result.ok ? 'ok' : result.reason;
}

/** The fields of an invite by number, so that a test can write wrong ones with a right checksum. */
function fieldsOf(text: string): [number, Uint8Array][] {
  const bytes = Buffer.from(text.slice(HEAD.length), 'base64url').subarray(0, -8);
  const fields: [number, Uint8Array][] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt16BE(at + 1);
    fields.push([bytes.readUInt8(at), Uint8Array.from(bytes.subarray(at + 3, at + 3 + length))]);
    at += 3 + length;
  }
  return fields;
}

function sealed(bytes: Uint8Array): string {
  return HEAD + Buffer.from(concat(bytes, sha256(ascii(HEAD), bytes).subarray(0, 8))).toString('base64url');
}

function write(fields: readonly (readonly [number, Uint8Array])[]): string {
  return sealed(
    concat(...fields.map(([type, value]) => concat(Uint8Array.of(type, value.length >> 8, value.length & 255), value))),
  );
}

function replaced(type: number, value: Uint8Array): string {
  return write(fieldsOf(encodeInvite(EXAMPLE)).map((field) => (field[0] === type ? [type, value] : field)));
}

test('an invite is read back as it was written, in one line of plain characters', () => {
  fc.assert(
    fc.property(invites, (invite) => {
      const text = encodeInvite(invite);
      assert.match(text, /^postern-invite-1-[A-Za-z0-9_-]+$/);
      assert.deepEqual(decodeInvite(text), { ok: true, value: invite });
      assert.equal(write(fieldsOf(text)), text, 'the same fields and encoding by other means');
    }),
    { numRuns: 100 },
  );
});

test('white space around it and line breaks inside it do no harm', () => {
  const text = encodeInvite({ ...EXAMPLE, xwing: new Uint8Array(1216).fill(5) });
  fc.assert(
    fc.property(
      fc.array(fc.nat(text.length), { maxLength: 40 }),
      fc.constantFrom('\n', '\r\n  ', ' ', '\u200b', '\ufeff'),
      (places, noise) => {
        const cut = [0, ...places, text.length].sort((a, b) => a - b);
        const pieces = cut.map((at, i) => text.slice(at, cut[i + 1] ?? text.length));
        assert.equal(reason(`\n\t ${pieces.join(noise)}\n\n`), 'ok');
      },
    ),
    { numRuns: 200 },
  );
});

test('one wrong, missing, added or swapped character is found', () => {
  const text = encodeInvite(EXAMPLE);
  fc.assert(
    fc.property(
      fc.integer({ min: HEAD.length, max: text.length - 1 }),
      fc.constantFrom('A', 'a', '0', '_', '-', 'z', '9'),
      (at, character) => {
        const next = text[at + 1];
        const swapped = next === undefined ? text : text.slice(0, at) + next + text.charAt(at) + text.slice(at + 2);
        for (const changed of [
          text.slice(0, at) + character + text.slice(at + 1),
          text.slice(0, at) + text.slice(at + 1),
          text.slice(0, at) + character + text.slice(at),
          text.slice(0, at),
          `${text}${character}`,
          swapped,
        ]) {
          assert.equal(reason(changed), changed === text ? 'ok' : 'damaged');
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('what is no invite, what is damaged and what is too new are told apart', () => {
  for (const text of [
    '',
    'ssh gate.example',
    'postern-invite',
    'postern-invite-',
    'postern-invite-x-AAAA',
    'x'.repeat(20_000),
  ]) {
    assert.equal(reason(text), 'not-an-invite', text.slice(0, 40));
  }
  for (const text of [
    HEAD,
    `${HEAD}AAAA`,
    `${HEAD}A`,
    `${HEAD}!!!!`,
    `postern-invite-01-AAAA`,
    `postern-invite-0-AAAA`,
  ]) {
    assert.equal(reason(text), 'damaged', text);
  }
  assert.equal(reason('postern-invite-2-whatever!'), 'newer-version');
  assert.equal(reason(`${HEAD.toUpperCase()}AAAA`), 'not-an-invite');
});

test('a right checksum makes nothing of wrong fields', () => {
  const fields = fieldsOf(encodeInvite(EXAMPLE));
  assert.equal(reason(write(fields)), 'ok');
  for (const [type] of fields) {
    if (type === 11) continue;
    assert.equal(reason(write(fields.filter((field) => field[0] !== type))), 'damaged', `without ${type}`);
  }
  assert.equal(reason(write([...fields].reverse())), 'damaged');
  assert.equal(reason(write(fields.flatMap((field) => (field[0] === 2 ? [field, field] : [field])))), 'damaged');
  assert.equal(
    reason(write(fields.flatMap((field) => (field[0] === 7 ? Array<typeof field>(20).fill(field) : [field])))),
    'damaged',
  );
  assert.equal(reason(replaced(2, new Uint8Array(31))), 'damaged');
  assert.equal(reason(replaced(8, new Uint8Array(2))), 'damaged', 'port 0');
  assert.equal(reason(replaced(9, new Uint8Array(8).fill(255))), 'damaged', 'a time beyond 2^53');
  assert.equal(reason(replaced(10, Uint8Array.of(1))), 'damaged', 'suite 2 required, but no key for it');
  assert.equal(reason(replaced(10, Uint8Array.of(2))), 'newer-version');
  assert.equal(
    reason(write([...fields, [12, new Uint8Array(1)]])),
    'newer-version',
    'a field that one must understand',
  );
  assert.equal(reason(write([...fields, [128, new Uint8Array(300)]])), 'ok', 'a field that one may skip');
  assert.equal(reason(sealed(ascii('\u0001'))), 'damaged');
  assert.equal(reason(sealed(Uint8Array.of(1, 255, 255, 65))), 'damaged');
});

test('no text of an invite can do harm in a terminal, a path or a command line', () => {
  for (const name of ['', '.ssh', '-oProxyCommand', '../x', 'a/b', 'a b', 'a\u001b[2J', 'a\n', 'ä', 'a'.repeat(65)]) {
    assert.equal(reason(replaced(1, new TextEncoder().encode(name))), 'damaged', JSON.stringify(name));
  }
  for (const host of [
    '',
    '-x',
    'a b',
    'a..b',
    '.a',
    'a\u0000',
    'a;b',
    '$(x)',
    'fe80::1%eth0',
    'a'.repeat(254),
    'a'.repeat(300),
  ]) {
    assert.equal(reason(replaced(7, new TextEncoder().encode(host))), 'damaged', JSON.stringify(host));
  }
  for (const service of ['', 'SSH', 'a b', 'a'.repeat(33), '\u001b']) {
    assert.equal(reason(replaced(11, new TextEncoder().encode(service))), 'damaged', JSON.stringify(service));
  }
});

test('any text and any bytes get an answer', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (text, bytes) => {
      assert.equal(decodeInvite(text).ok, false);
      assert.equal(decodeInvite(HEAD + text).ok, false);
      assert.equal(decodeInvite(sealed(bytes)).ok, false);
    }),
    { numRuns: 500 },
  );
});

test('what cannot be read back is not written', () => {
  const wrong: readonly Partial<Invite>[] = [
    { name: 'a b' },
    { seed: new Uint8Array(31) },
    { xwing: new Uint8Array(32) },
    { pq: 'required' },
    { stateId: new Uint8Array(16) },
    { addresses: [] },
    { addresses: ['a b'] },
    { addresses: Array<string>(17).fill('a') },
    { port: 0 },
    { port: 65_536 },
    { expires: -1 as UnixMicros },
    { services: ['SSH' as ServiceName] },
    { services: Array<ServiceName>(65).fill('ssh' as ServiceName) },
  ];
  for (const change of wrong)
    assert.throws(() => encodeInvite({ ...EXAMPLE, ...change }), RangeError, JSON.stringify(change));
});
