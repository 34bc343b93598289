/** For tests and vectors only: packets with something wrong in themselves, in the order of the reasons. */
import { concatBytes } from '@noble/hashes/utils.js';
import { fromHex } from '../bytes.ts';
import type { Refusal } from '../refusal.ts';
import * as oracle from './oracle.ts';
import type { Refused, StatementJson } from './vector-files.ts';
import { epochAt, NOW, type Sealed, type SealOptions, signedPart, type World } from './world.ts';

const EPOCH = epochAt(NOW);
const OBSERVED = { type: 'observed' } as const;

export function makeBrokenPackets(world: World): Refused[] {
  return [...brokenOutside(world), ...brokenInside(world), ...brokenStatements(world)];
}

function sealed(world: World, suite: 1 | 2, options: Partial<SealOptions> = {}): Sealed {
  return world.seal({ suite, signedPart: signedPart(world.statement(suite)), epoch: EPOCH, ...options });
}

/** A copy with one bit changed. */
function flip(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte));
}

function brokenOutside(world: World): Refused[] {
  const keys = oracle.epochKeys(fromHex(world.json.gateKey), EPOCH);
  const one = sealed(world, 1).packet;
  const two = sealed(world, 2).packet;
  const all: [Refusal, string, Uint8Array][] = [
    ['length', 'no bytes at all', new Uint8Array(0)],
    ['length', 'a byte less than the short form', one.subarray(0, 351)],
    ['length', 'a byte more than the short form', concatBytes(one, new Uint8Array(1))],
    ['length', 'a byte less than the long form', two.subarray(0, 1371)],
    ['length', 'a byte more than the long form', concatBytes(two, new Uint8Array(1))],
    ['tag', 'random bytes', world.random(352)],
    ['tag', 'one bit of the nonce is another', oracle.remac(keys, flip(one, 7))],
    ['tag', 'one bit of the tag is another', oracle.remac(keys, flip(two, 8, 7))],
    ['tag', 'keys of the epoch before those that are heard', sealed(world, 1, { epoch: EPOCH - 2 }).packet],
    ['tag', 'keys of the epoch after those that are heard', sealed(world, 1, { epoch: EPOCH + 2 }).packet],
    ['tag', 'another gate key', sealed(world, 2, { gateKey: 'nextGateKey' }).packet],
    ['mac', 'one bit of the mac is another', flip(one, 351)],
    ['mac', 'one bit of the masked suite is another', flip(one, 12)],
    ['mac', 'one bit of the masked key is another', flip(two, 700, 3)],
    ['mac', 'one bit of the sealed part is another', flip(two, 1355, 7)],
    ...[0, 3, 255].map((suite): [Refusal, string, Uint8Array] => [
      'suite-unknown',
      `suite ${suite}`,
      sealed(world, 1, { body: (body) => concatBytes(oracle.integer(1, suite), body.subarray(1)) }).packet,
    ]),
    ['suite-length', 'suite 2 in the short form', sealed(world, 1, { body: (body) => withSuite(body, 2) }).packet],
    ['suite-length', 'suite 1 in the long form', sealed(world, 2, { body: (body) => withSuite(body, 1) }).packet],
    [
      'suite-length',
      'suite 1 in the long form with a plaintext that fills it: reserved',
      sealed(world, 1, { plaintext: (text) => concatBytes(text, new Uint8Array(1295 - text.length)) }).packet,
    ],
  ];
  return [
    ...all.map(([reason, name, packet]) => ({ reason, name, packet })),
    { reason: 'suite-refused', name: 'suite 1 where suite 2 is required', packet: one, context: { pq: 'required' } },
    {
      reason: 'suite-refused',
      name: 'suite 1 of an unknown device where suite 2 is required',
      packet: sealed(world, 1, { signerSeed: world.json.newDevice.seed }).packet,
      context: { pq: 'required' },
    },
  ];
}

function withSuite(body: Uint8Array, suite: number): Uint8Array {
  return concatBytes(oracle.integer(1, suite), body.subarray(1));
}

function brokenInside(world: World): Refused[] {
  const otherGate = (suite: 1 | 2): Uint8Array => oracle.staticPublic(suite, world.random(32));
  const all: [string, Uint8Array][] = [
    ['one bit of the ciphertext is another', sealed(world, 1, { body: (body) => flip(body, 40) }).packet],
    ['one bit of the seal is another', sealed(world, 2, { body: (body) => flip(body, body.length - 1) }).packet],
    ['one bit of the encapsulated key is another', sealed(world, 1, { body: (body) => flip(body, 1) }).packet],
    ['one bit of the ML-KEM ciphertext is another', sealed(world, 2, { body: (body) => flip(body, 500) }).packet],
    ['one bit of the X25519 half is another', sealed(world, 2, { body: (body) => flip(body, 1100) }).packet],
    ['an encapsulated key of small order', sealed(world, 1, { body: (body) => body.fill(0, 1, 33) }).packet],
    ['an X25519 half of small order', sealed(world, 2, { body: (body) => body.fill(0, 1089, 1121) }).packet],
    [
      'the highest bit of the X25519 key, which its mathematics ignores, is set',
      sealed(world, 1, { body: (body) => flip(body, 32, 7) }).packet,
    ],
    ['sealed to another gate', sealed(world, 1, { publicKey: otherGate(1) }).packet],
    ['sealed to another gate, suite 2', sealed(world, 2, { publicKey: otherGate(2) }).packet],
    ['sealed under another nonce', sealed(world, 1, { aad: (aad) => flip(aad, 0) }).packet],
  ];
  return all.map(([name, packet]) => ({ reason: 'unseal', name, packet }));
}

/** A packet whose statement has other bytes from `at` on, signed as they are. */
function withBytes(
  world: World,
  suite: 1 | 2,
  changes: Partial<StatementJson>,
  at: number,
  bytes: Uint8Array,
): Uint8Array {
  const part = signedPart(world.statement(suite, changes));
  part.set(bytes, at);
  return sealed(world, suite, { signedPart: part }).packet;
}

function brokenStatements(world: World): Refused[] {
  const { audience } = world.json.x25519;
  const whoami = { kind: 'whoami', source: OBSERVED, service: null } as const;
  const close = { kind: 'close', source: OBSERVED } as const;
  const six = { source: { type: 6, prefix: 128, address: '2001:db8::7' } } as const;
  const mapped = fromHex('00000000000000000000ffffc0000207');
  const byte = (value: number): Uint8Array => oracle.integer(1, value);
  const all: [Refusal, string, 1 | 2, Partial<StatementJson>, number, Uint8Array][] = [
    ['kind', 'kind 0', 1, {}, 0, byte(0)],
    ['kind', 'kind 6', 1, {}, 0, byte(6)],
    ['kind', 'kind 255', 2, {}, 0, byte(255)],
    ['flags', 'an unknown flag', 1, {}, 1, byte(2)],
    ['flags', 'an unknown flag beside single use', 2, { singleUse: true }, 1, byte(0x81)],
    ['flags', 'extend with single use', 1, { kind: 'extend' }, 1, byte(1)],
    ['flags', 'close with single use', 1, close, 1, byte(1)],
    ['source-type', 'source type 5', 1, {}, 62, byte(5)],
    ['source-type', 'source type 255', 2, six, 62, byte(255)],
    ['source-type', 'close with a source', 1, { kind: 'close' }, 62, byte(4)],
    ['source-type', 'whoami with a source', 1, { ...whoami, ...six }, 62, byte(6)],
    ['source-form', 'an observed source with a prefix', 1, { source: OBSERVED }, 63, byte(32)],
    ['source-form', 'an observed source with an address', 1, { source: OBSERVED }, 64, mapped],
    ['source-form', 'an IPv6 address as IPv4', 1, six, 62, Uint8Array.of(4, 32)],
    ['source-form', 'an IPv4 address as IPv6', 2, {}, 62, Uint8Array.of(6, 128)],
    [
      'source-form',
      'an IPv4 prefix of 0 bits',
      1,
      {},
      63,
      concatBytes(byte(0), mapped.subarray(0, 12), new Uint8Array(4)),
    ],
    ['source-form', 'an IPv4 prefix of 33 bits', 1, {}, 63, byte(33)],
    ['source-form', 'an IPv6 prefix of 129 bits', 1, six, 63, byte(129)],
    ['source-form', 'an IPv4 prefix with a host bit', 1, {}, 63, byte(31)],
    ['source-form', 'an IPv6 prefix with a host bit', 2, six, 63, byte(127)],
    ['service-name', 'no service', 1, { service: null }, 84, byte(0)],
    ['service-name', 'a capital letter', 1, {}, 84, byte(0x53)],
    ['service-name', 'an underscore in the last place', 2, {}, 115, byte(0x5f)],
    ['service-name', 'a letter after the end', 1, {}, 88, byte(0x61)],
    ['service-name', 'close without a service', 1, { ...close, service: null }, 84, byte(0)],
    ['key-type', 'key type 0', 1, {}, 116, byte(0)],
    ['key-type', 'key type 2', 2, {}, 116, byte(2)],
    ['signature-length', '63 bytes of signature', 1, {}, 117, oracle.integer(2, 63)],
    ['signature-length', '320 bytes of signature', 2, {}, 117, oracle.integer(2, 320)],
    ['padding', 'close with seconds', 1, close, 80, oracle.integer(4, 30)],
    [
      'padding',
      'enrol with seconds',
      1,
      { kind: 'enrol', source: OBSERVED, newDevice: world.json.newDevice.publicKey },
      83,
      byte(1),
    ],
    ['padding', 'whoami with a service', 2, whoami, 84, byte(0x61)],
    ['time-range', 'a time of 2^53', 1, {}, 22, oracle.integer(8, 2n ** 53n)],
    ['time-range', 'a time of 2^64 - 1', 2, {}, 22, oracle.integer(8, 2n ** 64n - 1n)],
    ['audience', 'made for another gate', 1, {}, 46, world.random(16)],
    ['audience', 'made for the same gate in the other suite', 2, {}, 46, fromHex(audience)],
  ];
  return [
    ...all.map(([reason, name, suite, changes, at, bytes]) => ({
      ...{ reason, name },
      packet: withBytes(world, suite, changes, at, bytes),
    })),
    {
      reason: 'padding',
      name: 'a byte after the signature',
      packet: sealed(world, 1, { plaintext: (text) => flip(text, 183) }).packet,
    },
    {
      reason: 'padding',
      name: 'the last byte of the plaintext',
      packet: sealed(world, 2, { plaintext: (text) => flip(text, 206, 7) }).packet,
    },
  ];
}
