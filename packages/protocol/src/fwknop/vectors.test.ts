import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../address.ts';
import { ascii, concat } from '../bytes.ts';
import { sha256 } from '../crypto.ts';
import {
  bytesOf,
  credentialOf,
  type FwknopVector,
  fwknopVectors as file,
  hmacOf,
  messageOf,
  packetOf,
  sealInputOf,
} from '../testdata/fwknop-vectors.ts';
import {
  decodeFwknopHttp,
  decodeFwknopPlaintext,
  encodeFwknopHttp,
  encodeFwknopMessage,
  fwknopGpgPacket,
  FwknopKeyring,
  type FwknopMessage,
  fwknopMessageType,
  fwknopPlaintext,
  sealFwknop,
} from './index.ts';

const valid: readonly FwknopVector[] = [...file.client, ...file.deterministic.vectors, ...file.longCommand.vectors];

/** Packets that libfko takes and we do not, on purpose. No client of fwknop's makes one. */
const STRICTER: Readonly<Record<string, string>> = {
  pos_unknown_b64_noncanonical: 'user',
  nohmac_eq: 'alphabet',
  nohmac_sparebits: 'no-key',
};

/** Packets that libfko refuses and we take, on purpose. */
const WIDER: Readonly<Record<string, string>> = {
  neg_ip6: 'an IPv6 address',
  size_cmd_150: 'a long command, as fwknop’s client sends it',
  size_cmd_162: 'a long command, as fwknop’s client sends it',
  size_cmd_180: 'a long command, as fwknop’s client sends it',
  size_cmd_182: 'a long command, as fwknop’s client sends it',
  size_cmd_200: 'a long command, as fwknop’s client sends it',
};

test('every valid packet is rebuilt byte for byte from its fields, keys and salt', () => {
  assert.equal(valid.length, 47);
  for (const vector of valid) {
    const input = sealInputOf(vector);
    assert.equal(fwknopMessageType(input.message), vector.fields.type, vector.name);
    assert.equal(encodeFwknopMessage(input.message), vector.encoded, vector.name);
    assert.equal(Buffer.from(sealFwknop(input)).toString(), vector.packet, vector.name);
  }
});

test('every valid packet is opened, and says what was put in', () => {
  for (const vector of valid) {
    const opened = new FwknopKeyring([credentialOf(vector)]).open(packetOf(vector));
    assert.ok(opened.ok && opened.value.kind === 'message', `${vector.name}: ${opened.ok ? '' : opened.reason}`);
    assert.deepEqual(opened.value.message, messageOf(vector.fields), vector.name);
    assert.equal(opened.value.digest, vector.digest, vector.name);
    const mac = vector.hmac === null ? 0 : Buffer.from(packetOf(vector)).length - bodySize(vector);
    const text = `U2FsdGVkX1${vector.packet.slice(0, vector.packet.length - mac)}`;
    assert.deepEqual(opened.value.replayId, sha256(bytesOf(text).subarray(8)), vector.name);
  }
});

/** Characters of the packet without the HMAC: what salt and whole blocks take. */
function bodySize({ encoded, digest }: FwknopVector): number {
  const digests = { md5: 22, sha1: 27, sha256: 43, sha384: 64, sha512: 86, sha3_256: 43, sha3_512: 86 };
  const plaintext = encoded.length + 1 + digests[digest];
  return Math.ceil(((16 + (Math.floor(plaintext / 16) + 1) * 16) * 4) / 3) - 10;
}

test('every other packet gets the verdict of libfko, but for those in the two lists', () => {
  const { key, hmac, vectors } = file.verdicts;
  assert.equal(vectors.length, 40);
  for (const { name, packet, withHmac, accepted, fields } of vectors) {
    const ring = new FwknopKeyring([credentialOf({ key, mode: 'cbc', hmac: withHmac ? hmac : null })]);
    const opened = ring.open(packetOf({ packet }));
    const expected = (accepted && STRICTER[name] === undefined) || WIDER[name] !== undefined;
    assert.equal(opened.ok, expected, `${name}: ${opened.ok ? 'accepted' : opened.reason}`);
    if (!opened.ok) assert.equal(opened.reason, STRICTER[name] ?? opened.reason, name);
    else if (fields !== undefined) {
      assert.ok(opened.value.kind === 'message');
      assert.deepEqual(opened.value.message, messageOf(fields), name);
    }
  }
  const names = new Set(vectors.map(({ name }) => name));
  for (const name of [...Object.keys(STRICTER), ...Object.keys(WIDER)]) assert.ok(names.has(name), name);
});

test('each packet is opened among the keys of all others, and says by which', () => {
  const ring = new FwknopKeyring(valid.map(credentialOf));
  for (const [index, vector] of valid.entries()) {
    for (const first of [undefined, index]) {
      const opened = ring.open(packetOf(vector), first === undefined ? {} : { first });
      assert.ok(opened.ok && opened.value.kind === 'message', vector.name);
      assert.deepEqual(opened.value.message, messageOf(vector.fields), vector.name);
      if (first !== undefined) assert.equal(opened.value.credential, index);
    }
  }
});

test('packets of gpg are restored whole, those of elliptic curves too, and written again as they came', () => {
  assert.equal(file.gpg.vectors.length, 4);
  for (const vector of file.gpg.vectors) {
    const hmac = hmacOf(vector.hmac);
    const opened = new FwknopKeyring([{ kind: 'gpg', hmac }]).open(packetOf(vector));
    assert.ok(opened.ok && opened.value.kind === 'gpg', `${vector.name}: ${opened.ok ? '' : opened.reason}`);
    const { ciphertext, replayId } = opened.value;
    assert.equal(Buffer.from(ciphertext).toString('base64').slice(0, 2), vector.stripped, vector.name);
    assert.deepEqual(replayId, sha256(ciphertext));
    assert.equal(Buffer.from(fwknopGpgPacket(ciphertext, hmac)).toString(), vector.packet, vector.name);
    assert.ok(decodeFwknopPlaintext(ascii(vector.plaintext)).ok, vector.name);
  }
});

test('packets have the sizes that they had where fwknopd took them, and are taken', () => {
  const [vector] = file.client;
  assert.ok(vector);
  const sizes = file.fwknopd.verdicts.filter(({ ports }) => ports !== undefined);
  assert.equal(sizes.length, 8);
  for (const { test: name, verdict, ports: count, plaintext, packet } of sizes) {
    assert.equal(verdict, 'RULE ADDED', name);
    const ports = Array.from({ length: count ?? 0 }, (_, i) => ({ protocol: 'tcp' as const, port: 10_000 + i }));
    const { random, user, time, version } = messageOf(vector.fields);
    const source = parseAddress('127.0.0.100');
    const message: FwknopMessage = { random, user, time, version, source, kind: 'access', ports, timeout: 0 };
    const sealed = sealFwknop({ ...sealInputOf(vector), message });
    assert.equal(fwknopPlaintext(message, 'sha256').length, plaintext, name);
    assert.equal(sealed.length, packet, name);
    assert.ok(new FwknopKeyring([credentialOf(vector)]).open(sealed).ok, name);
  }
});

test('a salt prefix that was left in, and a line end, are refused as fwknopd refuses them', () => {
  const [vector] = file.client;
  assert.ok(vector);
  const ring = new FwknopKeyring([credentialOf(vector)]);
  const reason = (bytes: Uint8Array): string => {
    const opened = ring.open(bytes);
    return opened.ok ? 'accepted' : opened.reason;
  };
  assert.equal(reason(concat(ascii('U2FsdGVkX1'), packetOf(vector))), 'salt-prefix');
  assert.equal(reason(concat(packetOf(vector), ascii('\n'))), 'alphabet');
});

test('the request of fwknop’s client is written and read as it is', () => {
  const { packet, request } = file.http;
  assert.equal(encodeFwknopHttp(ascii(packet), { host: '127.0.0.1', userAgent: 'Fwknop/2.6.10' }), request);
  assert.deepEqual(decodeFwknopHttp(ascii(request)), ascii(packet));
});
