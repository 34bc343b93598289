import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { ascii, concat } from '../bytes.ts';
import { anyDigest, anyHmac, anyKey, anyMessage, anyMode, anySalt } from '../testdata/fwknop-arbitrary.ts';
import { credentialOf, fwknopVectors, packetOf } from '../testdata/fwknop-vectors.ts';
import { type FwknopCredential, FwknopKeyring } from './keyring.ts';
import { FWKNOP_REFUSALS } from './refusal.ts';
import { fwknopGpgPacket, type FwknopSealInput, sealFwknop } from './seal.ts';
import { fwknopShape } from './shape.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const vectors = [...fwknopVectors.client, ...fwknopVectors.deterministic.vectors];
const credentials = vectors.map(credentialOf);
const everyone = new FwknopKeyring([
  ...credentials,
  { kind: 'gpg', hmac: undefined },
  ...credentials.flatMap(({ hmac }): FwknopCredential[] => (hmac === undefined ? [] : [{ kind: 'gpg', hmac }])),
]);
const one = (name: string): { packet: Uint8Array; credential: FwknopCredential } => {
  const vector = vectors.find((each) => each.name === name);
  assert.ok(vector, name);
  return { packet: packetOf(vector), credential: credentialOf(vector) };
};
function reason(ring: FwknopKeyring, packet: Uint8Array): string {
  const opened = ring.open(packet);
  return opened.ok ? 'accepted' : opened.reason;
}

const sealed: fc.Arbitrary<FwknopSealInput> = fc.oneof(
  fc.record(
    { message: anyMessage, digest: anyDigest, mode: anyMode, key: anyKey, hmac: anyHmac, salt: anySalt },
    { noNullPrototype: true },
  ),
  fc.record(
    { message: anyMessage, digest: anyDigest, mode: anyMode, key: anyKey, salt: anySalt },
    { noNullPrototype: true },
  ),
);
/** Some short messages without an HMAC make no packet that fwknopd would look at. */
function seal(input: FwknopSealInput): Uint8Array {
  try {
    return sealFwknop(input);
  } catch (error) {
    assert.match(String(error), /140 to 1500 bytes expected, got 1[0-3][0-9]/);
    throw new fc.PreconditionFailure();
  }
}

test('what is sealed is opened, in every mode, with every digest and HMAC', () => {
  fc.assert(
    fc.property(sealed, (input) => {
      const { mode, key, hmac, message, digest } = input;
      const ring = new FwknopKeyring([...credentials, { kind: 'symmetric', mode, key, hmac }]);
      const opened = ring.open(seal(input), { first: credentials.length });
      assert.ok(opened.ok && opened.value.kind === 'message');
      assert.deepEqual(opened.value.message, message);
      assert.equal(opened.value.digest, digest);
      assert.equal(opened.value.credential, credentials.length);
    }),
    { numRuns: 500 },
  );
});

test('any bytes get an answer of the closed list', () => {
  const text = fc.array(fc.constantFrom(...Array.from(ALPHABET)), { minLength: 130, maxLength: 1510 });
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 1600 }),
    text.map((characters) => ascii(characters.join(''))),
    text.map((characters) => ascii(`9${characters.join('').slice(0, 160)}`)),
  );
  fc.assert(
    fc.property(anything, (packet) => {
      const opened = everyone.open(packet);
      // A gpg credential without an HMAC takes whatever has the size of one.
      if (opened.ok) assert.ok(opened.value.kind === 'gpg' && packet.length >= 400);
      else assert.ok(FWKNOP_REFUSALS.includes(opened.reason));
    }),
    { numRuns: 1000 },
  );
});

test('a packet with a changed, missing or added character is refused, wherever that is', () => {
  fc.assert(
    fc.property(
      fc.nat(vectors.length - 1),
      fc.nat(),
      fc.constantFrom(...Array.from(ALPHABET), '='),
      fc.nat(2),
      (n, at, by, how) => {
        const vector = vectors[n];
        assert.ok(vector);
        const { packet } = vector;
        const i = at % packet.length;
        const other = packet.slice(0, i) + (how === 2 ? '' : by) + packet.slice(how === 1 ? i : i + 1);
        fc.pre(other !== packet);
        // The first of two equal characters that goes is the same as the second that goes.
        assert.equal(new FwknopKeyring(credentials).open(ascii(other)).ok, false, `${vector.name} ${i}`);
      },
    ),
    { numRuns: 2000 },
  );
});

test('every truncation of every packet is refused', () => {
  // Cut by its HMAC, a packet is one without: a server with that key and no HMAC takes it.
  const ring = new FwknopKeyring(credentials.filter(({ hmac }) => hmac !== undefined));
  for (const vector of vectors) {
    const packet = packetOf(vector);
    for (let size = 0; size < packet.length; size++) {
      assert.ok(!ring.open(packet.subarray(0, size)).ok, `${vector.name} ${size}`);
      assert.ok(!ring.open(packet.subarray(size + 1)).ok, `${vector.name} from ${size + 1}`);
    }
  }
});

test('without an HMAC every refusal is the same', () => {
  const { packet, credential } = one('det_nohmac');
  const ring = new FwknopKeyring([credential]);
  assert.equal(reason(ring, packet), 'accepted');
  const seen = new Set<string>();
  for (let i = 0; i < packet.length; i++) {
    for (const character of ascii('AZ+/q')) {
      const other = packet.slice();
      if (other[i] === character) continue;
      other[i] = character;
      seen.add(reason(ring, other));
    }
  }
  assert.deepEqual([...seen], ['no-key']);
});

test('with an HMAC that verifies it is told why a packet is not opened; without, nothing', () => {
  const { packet, credential } = one('cbc_sha256_hmac_sha256');
  assert.ok(credential.kind === 'symmetric');
  const otherKey: FwknopCredential = { ...credential, key: Uint8Array.of(1) };
  const otherMode: FwknopCredential = { ...credential, mode: 'ctr' };
  assert.equal(reason(new FwknopKeyring([otherKey]), packet), 'padding');
  assert.ok(['padding', 'digest'].includes(reason(new FwknopKeyring([otherMode]), packet)));
  assert.equal(reason(new FwknopKeyring([{ ...otherKey, hmac: undefined }]), packet), 'no-key');
  // The next credential with the same HMAC key still gets its turn, and the first reason is the one that is told.
  assert.equal(reason(new FwknopKeyring([otherKey, otherMode, credential]), packet), 'accepted');
  assert.equal(reason(new FwknopKeyring([{ kind: 'gpg', hmac: undefined }, otherKey, otherMode]), packet), 'padding');
  assert.equal(reason(new FwknopKeyring([]), packet), 'no-key');
});

test('credentials are tried in their order, one before all others if asked, and only those allowed', () => {
  const { packet, credential } = one('cbc_sha256_hmac_sha256');
  const other = one('hmac_sha512').credential;
  const ring = new FwknopKeyring([other, credential, credential]);
  const opened = (options: Parameters<FwknopKeyring['open']>[1]): number | undefined => {
    const result = ring.open(packet, options);
    return result.ok ? result.value.credential : undefined;
  };
  assert.equal(opened({}), 1);
  assert.equal(opened({ first: 2 }), 2);
  assert.equal(opened({ first: 0 }), 1);
  assert.equal(opened({ first: 99 }), 1);
  assert.equal(opened({ allowed: (index) => index === 2 }), 2);
  assert.equal(opened({ first: 1, allowed: (index) => index === 2 }), 2);
  assert.equal(opened({ allowed: () => false }), undefined);
  const asked: number[] = [];
  opened({ first: 2, allowed: (index) => asked.push(index) < 0 });
  assert.deepEqual(asked, [2, 0, 1]);
});

test('appended padding and changed spare bits never make a second packet of one', () => {
  const { packet, credential } = one('mode_legacy_shortkey');
  const ring = new FwknopKeyring([credential]);
  assert.equal(reason(ring, packet), 'accepted');
  for (const tail of ['=', '==', '=AAAA', 'A', 'AAAA']) {
    assert.notEqual(reason(ring, concat(packet, ascii(tail))), 'accepted', tail);
  }
  const last = packet.at(-1);
  for (const character of ascii(ALPHABET)) {
    const other = packet.slice();
    other[packet.length - 1] = character;
    assert.equal(reason(ring, other) === 'accepted', character === last);
  }
});

test('a packet of gpg is taken from 400 bytes on', () => {
  const ring = new FwknopKeyring([{ kind: 'gpg', hmac: undefined }]);
  assert.equal(reason(ring, ascii('A'.repeat(399))), 'no-key');
  assert.equal(reason(ring, ascii('A'.repeat(402))), 'accepted');
  assert.equal(reason(ring, ascii('A'.repeat(403))), 'no-key');
});

test('the HMAC tells in which of two forms a short key packet was written', () => {
  const hmac = { digest: 'sha256', key: ascii('authentic') } as const;
  for (const digest of ['sha256', 'sha3_512'] as const) {
    const ring = new FwknopKeyring([{ kind: 'gpg', hmac: { ...hmac, digest } }]);
    for (const first of [0x84, 0xc1]) {
      const keyPacket = concat(Uint8Array.of(first, 94, 3), new Uint8Array(93));
      const openpgp = concat(keyPacket, Uint8Array.of(0xd2, 0xc0, 108), new Uint8Array(300));
      const opened = ring.open(fwknopGpgPacket(openpgp, { ...hmac, digest }));
      assert.ok(opened.ok && opened.value.kind === 'gpg');
      assert.deepEqual(opened.value.ciphertext, openpgp);
    }
  }
});

test('the shape is told by itself', () => {
  const shape = (bytes: Uint8Array): string => {
    const seen = fwknopShape(bytes);
    return seen.ok ? 'accepted' : seen.reason;
  };
  assert.equal(shape(new Uint8Array(139)), 'length');
  assert.equal(shape(new Uint8Array(1501)), 'length');
  assert.equal(shape(new Uint8Array(140)), 'alphabet');
  assert.equal(shape(ascii(`U2FsdGVkX1${'A'.repeat(130)}`)), 'salt-prefix');
  assert.equal(shape(ascii(`hQ${'A'.repeat(500)}`)), 'accepted');
  for (let byte = 0; byte < 256; byte++) {
    const packet = ascii('A'.repeat(140));
    packet[70] = byte;
    assert.equal(shape(packet) === 'accepted', ALPHABET.includes(String.fromCharCode(byte)), `${byte}`);
  }
});

test('keys of sizes that fwknop does not know are RangeErrors', () => {
  const hmac = { digest: 'sha256', key: new Uint8Array(64) } as const;
  const wrong: readonly FwknopCredential[] = [
    { kind: 'symmetric', key: new Uint8Array(0), mode: 'cbc', hmac },
    { kind: 'symmetric', key: new Uint8Array(33), mode: 'cbc', hmac },
    { kind: 'symmetric', key: new Uint8Array(32), mode: 'cbc', hmac: { ...hmac, key: new Uint8Array(0) } },
    { kind: 'gpg', hmac: { ...hmac, key: new Uint8Array(137) } },
  ];
  for (const credential of wrong) assert.throws(() => new FwknopKeyring([credential]), RangeError);
});

test('a keyring that is printed shows nothing of its keys', () => {
  const key = new Uint8Array(32).fill(0xab);
  const ring = new FwknopKeyring([{ kind: 'symmetric', key, mode: 'cbc', hmac: { digest: 'sha256', key } }]);
  const text = inspect(ring, { depth: null, showHidden: true }) + JSON.stringify(ring);
  assert.doesNotMatch(text, /abab|171, ?171|q6ur/);
});
