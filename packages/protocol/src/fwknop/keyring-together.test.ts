/** Keys that are tried together must give what they give one after the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { ascii, concat } from '../bytes.ts';
import type { Result } from '../result.ts';
import { withEngine } from '../testdata/with-engine.ts';
import { type FwknopCredential, FwknopKeyring, type FwknopOpened, type FwknopOpenOptions } from './keyring.ts';
import type { FwknopMessage } from './message.ts';
import type { FwknopRefusal } from './refusal.ts';
import { fwknopGpgPacket, type FwknopHmac, sealFwknop } from './seal.ts';

type Opened = Result<FwknopOpened, FwknopRefusal>;

/** The slow twin: a keyring for each credential, asked in order. */
function oneByOne(
  credentials: readonly FwknopCredential[],
  packet: Uint8Array,
  { first, allowed }: FwknopOpenOptions,
): Opened {
  let refused: FwknopRefusal = 'no-key';
  const all = credentials.map((_, index) => index);
  const order = first === undefined ? all : [first, ...all.filter((index) => index !== first)];
  for (const index of order) {
    const credential = credentials[index];
    if (credential === undefined || allowed?.(index) === false) continue;
    const opened = new FwknopKeyring([credential]).open(packet);
    if (opened.ok) return { ok: true, value: { ...opened.value, credential: index } };
    if (refused === 'no-key') refused = opened.reason;
  }
  return { ok: false, reason: refused };
}

// Few keys, so that several credentials have the same one.
const anyHmac: fc.Arbitrary<FwknopHmac> = fc.record(
  {
    digest: fc.constantFrom('sha256', 'sha256', 'sha256', 'sha256', 'sha512', 'md5'),
    key: fc.constantFrom('a', 'b', 'c', 'd'.repeat(64), 'e'.repeat(128)).map(ascii),
  },
  { noNullPrototype: true },
);
const anyShared = fc.record(
  {
    kind: fc.constant('symmetric' as const),
    key: fc.constantFrom('x', 'y').map(ascii),
    mode: fc.constantFrom('cbc', 'ctr', 'legacy'),
    hmac: fc.option(anyHmac, { nil: undefined, freq: 12 }),
  },
  { noNullPrototype: true },
);
const anyGpg = fc.record(
  { kind: fc.constant('gpg' as const), hmac: fc.option(anyHmac, { nil: undefined, freq: 40 }) },
  { noNullPrototype: true },
);
const anyCredential: fc.Arbitrary<FwknopCredential> = fc.oneof({ arbitrary: anyShared, weight: 4 }, anyGpg);
const request: FwknopMessage = {
  kind: 'access',
  random: '0123456789012345',
  user: 'ada',
  time: 1_800_000_000,
  version: '3.0.0',
  source: undefined,
  ports: [{ protocol: 'tcp', port: 22 }],
  timeout: 0,
};
/** Of a length that fits both kinds, and of one that fits one of them. */
const anyMessage = fc.constantFrom(request, { ...request, kind: 'command' as const, command: 'x'.repeat(230) });

/** A short key packet, which reads in two ways, and data behind it. */
const OPENPGP = concat(
  Uint8Array.of(0x84, 94, 3),
  new Uint8Array(93),
  Uint8Array.of(0xd2, 0xc0, 108),
  new Uint8Array(300),
);
const NEW_FORM = concat(Uint8Array.of(0xc1), OPENPGP.subarray(1));

function packetOf(credential: FwknopCredential, message: FwknopMessage): Uint8Array {
  const { kind, hmac } = credential;
  if (kind === 'gpg') return fwknopGpgPacket(message.kind === 'access' ? OPENPGP : NEW_FORM, hmac);
  const { key, mode } = credential;
  return sealFwknop({ message, digest: 'sha256', mode, key, salt: new Uint8Array(8), ...(hmac && { hmac }) });
}

const anyOptions = fc.record(
  {
    first: fc.integer({ min: -1, max: 140 }),
    allowed: fc.func(fc.boolean()),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const anyCount = fc.oneof({ arbitrary: fc.integer({ min: 0, max: 20 }), weight: 3 }, fc.integer({ min: 60, max: 140 }));
const anyCredentials = anyCount.chain((count) => fc.array(anyCredential, { minLength: count, maxLength: count }));

test('whoever sends, whatever is allowed and whichever is first: the answer is that of one after the other', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      anyCredentials,
      anyCredential,
      anyMessage,
      anyOptions,
      fc.nat(400),
      (credentials, by, message, options, at) => {
        const packet = packetOf(by, message);
        // One in several is changed somewhere.
        if (at < packet.length && at % 4 === 0) packet[at] = packet[at] === 0x41 ? 0x42 : 0x41;
        const expected = oneByOne(credentials, packet, options);
        const ring = new FwknopKeyring(credentials);
        const opened = ring.open(packet, options);
        const scalar = withEngine(undefined, () => new FwknopKeyring(credentials));
        assert.equal(scalar.together, false);
        assert.deepEqual(opened, expected);
        assert.deepEqual(scalar.open(packet, options), expected);
        // The memory is used again.
        assert.deepEqual(ring.open(packet, options), expected);
        const answer = opened.ok ? opened.value.kind : opened.reason;
        seen.add(`${ring.together ? 'together' : 'alone'}: ${answer}`);
      },
    ),
    { numRuns: 500 },
  );
  for (const answer of ['message', 'gpg', 'no-key']) assert.ok(seen.has(`together: ${answer}`), answer);
});

test('from four keys of HMAC-SHA256 on they are tried together', () => {
  const many = (count: number, digest: FwknopHmac['digest'] = 'sha256'): FwknopCredential[] =>
    Array.from({ length: count }, (_, i) => ({ kind: 'gpg', hmac: { digest, key: Uint8Array.of(i) } }));
  assert.equal(
    new FwknopKeyring([...many(3), ...many(20, 'sha512'), { kind: 'gpg', hmac: undefined }]).together,
    false,
  );
  assert.equal(new FwknopKeyring([...many(20, 'sha512'), ...many(4)]).together, true);
});

test('who may be tried is asked once, in order, and not after the packet is opened', () => {
  const credentials = Array.from({ length: 200 }, (_, i): FwknopCredential => ({
    kind: 'symmetric',
    mode: 'cbc',
    key: ascii('x'),
    hmac: { digest: 'sha256', key: Uint8Array.of(i) },
  }));
  const ring = new FwknopKeyring(credentials);
  const asked: number[] = [];
  const open = (by: number, options: FwknopOpenOptions): Opened => {
    asked.length = 0;
    const packet = packetOf(credentials[by] ?? assert.fail(), request);
    return ring.open(packet, { ...options, allowed: (index) => asked.push(index) > 0 });
  };
  assert.ok(open(199, { first: 7 }).ok);
  assert.deepEqual(asked, [7, ...credentials.map((_, index) => index).filter((index) => index !== 7)]);
  assert.ok(open(7, { first: 7 }).ok);
  assert.deepEqual(asked, [7]);
  assert.ok(open(20, {}).ok);
  assert.ok(asked.length < 100, 'as many as are tried together');
});

test('a keyring of many that is printed shows nothing of its keys', () => {
  const key = new Uint8Array(32).fill(0xab);
  const hmac = { digest: 'sha256', key } as const;
  const ring = new FwknopKeyring(Array.from({ length: 8 }, () => ({ kind: 'symmetric', key, mode: 'cbc', hmac })));
  assert.ok(ring.together);
  assert.equal(inspect(ring, { depth: null, showHidden: true }), 'FwknopKeyring { [together]: [Getter] }');
  assert.equal(JSON.stringify(ring), '{}');
});
