/**
 * Without an HMAC a stranger can change what somebody else sent, and would read it if he could tell whether the padding of what comes out is good (Vaudenay,
 * EUROCRYPT 2002). So all that he can see must be the same: what is counted and told, and how long it takes.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomInt } from 'node:crypto';
import process from 'node:process';
import { test } from 'node:test';
import type { UnixMicros } from '@postern/protocol';
import type { FwknopMode } from '@postern/protocol/fwknop';
import type { FwknopFrame, TallyFrame } from '../line/fwknop-codec.ts';
import { FWKNOP_COUNTERS } from '../line/frame.ts';
import { FwknopEar } from './fwknop-ear.ts';
import { FwknopForwarder } from './fwknop-forwarder.ts';
import { credential, from, MODES, piece, sealed, shapedJunk, table } from './fwknop-packets.fixture.ts';

const NOW = 1_800_000_000_000_000 as UnixMicros;
const EVE = from('203.0.113.66');

/** Key and initialisation vector, as OpenSSL derives them with MD5 in one round. */
function derive(mode: FwknopMode, key: Uint8Array, salt: Uint8Array): { key: Buffer; iv: Buffer } {
  const password = mode === 'legacy' ? Buffer.from(key.subarray(0, 16)) : key;
  let last: Uint8Array = new Uint8Array(0);
  const all: Uint8Array[] = [];
  for (let round = 0; round < 3; round++) {
    last = createHash('md5').update(last).update(password).update(salt).digest();
    all.push(last);
  }
  const bytes = Buffer.concat(all);
  return { key: bytes.subarray(0, 32), iv: bytes.subarray(32, 48) };
}

function cipherOf(mode: FwknopMode): string {
  return `aes-256-${mode === 'legacy' ? 'cbc' : mode}`;
}

/** A packet with whole blocks inside that are what they are: a padding that is bad, or a digest. */
function packetOf(mode: FwknopMode, key: Uint8Array, padded: Uint8Array): Uint8Array {
  const salt = randomBytes(8);
  const derived = derive(mode, key, salt);
  const cipher = createCipheriv(cipherOf(mode), derived.key, mode === 'ecb' ? null : derived.iv).setAutoPadding(false);
  const bytes = Buffer.concat([Buffer.from('Salted__'), salt, cipher.update(padded), cipher.final()]);
  return new Uint8Array(Buffer.from(bytes.toString('base64').replace(/=+$/, '').slice(10), 'latin1'));
}

function padded(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  const padding = 16 - (bytes.length % 16);
  return Buffer.concat([bytes, Buffer.alloc(padding, padding)]);
}

function digest(fields: string): string {
  return createHash('sha256').update(fields).digest('base64').replace(/=+$/, '');
}

/** Fields, with one of them bad or all good. */
function fields(bad: 'none' | 'random' | 'user' | 'type' | 'message'): string {
  const random = String(randomInt(1e8, 1e9)) + String(randomInt(1e6, 1e7));
  const type = bad === 'type' ? '7' : '1';
  const message = bad === 'message' ? 'MTI3LjAuMC4yLHRjcC8wMA' : 'MTI3LjAuMC4yLHRjcC8yMg';
  const user = bad === 'user' ? 'YSpiOw' : 'YWxpY2';
  return `${bad === 'random' ? random.replace(/^./, 'x') : random}:${user}:1800000000:3.0.0:${type}:${message}`;
}

/** Ways in which a packet may be wrong, all of one size; the first two are the same. */
const FAMILIES = {
  digest: () => {
    const text = fields('none');
    return padded(`${text}:${digest(`${text}x`)}`);
  },
  'digest, once more': () => {
    const text = fields('none');
    return padded(`${text}:${digest(`${text}x`)}`);
  },
  'padding of 0': () => {
    const text = fields('none');
    return padded(`${text}:${digest(text)}`).with(-1, 0);
  },
  'padding of 255': () => {
    const text = fields('none');
    return padded(`${text}:${digest(text)}`).with(-1, 255);
  },
  'uneven padding': () => {
    const text = fields('none');
    return padded(`${text}:${digest(text)}`)
      .with(-1, 3)
      .with(-2, 2)
      .with(-3, 3);
  },
  'padding of 1, and so a bad digest': () => {
    const text = fields('none');
    return padded(`${text}:${digest(text)}`).with(-1, 1);
  },
  'random value': () => padded(`${fields('random')}:${digest(fields('random'))}`),
  'fields, with a good digest': () => {
    const text = fields('type');
    return padded(`${text}:${digest(text)}`);
  },
  'message, with a good digest': () => {
    const text = fields('message');
    return padded(`${text}:${digest(text)}`);
  },
  'no text at all': () => new Uint8Array(randomBytes(padded(`${fields('none')}:${digest('')}`).length)),
} as const;
const NAMES = Object.keys(FAMILIES) as (keyof typeof FAMILIES)[];

function earOf(mode: FwknopMode): { ear: FwknopEar; key: Uint8Array } {
  const own = credential(1, {
    mode,
    hmac: undefined,
    ...(mode === 'legacy' ? { key: new Uint8Array(16).fill(0x61) } : {}),
  });
  const ear = new FwknopEar();
  for (const frame of table(1, [piece(own, undefined, true)])) ear.obey(frame);
  return { ear, key: own.key };
}

test('whatever is wrong with a packet, in every mode: one reason, one counter, nothing told', () => {
  for (const mode of MODES) {
    const { ear, key } = earOf(mode);
    for (const name of NAMES) {
      const opened = ear.open(packetOf(mode, key, FAMILIES[name]()), EVE, NOW);
      assert.deepEqual(opened, { ok: false, reason: 'no-key' }, `${mode} ${name}`);
    }
    const text = fields('none').replace('YWxpY2:', 'YWxpY2U:');
    const good = packetOf(mode, key, padded(`${text}:${digest(text)}`));
    assert.ok(ear.open(good, EVE, NOW).ok, `${mode}: they are made as packets are`);
  }
});

test('of somebody else’s packet no change of a block tells whether the padding is good', () => {
  for (const mode of MODES) {
    const own = credential(1, { mode, hmac: undefined });
    const packet = sealed(own);
    const bytes = Buffer.from(`U2FsdGVkX1${Buffer.from(packet).toString('latin1')}`, 'base64');
    const told: (FwknopFrame | TallyFrame)[] = [];
    const forwarder = new FwknopForwarder({ send: (frame) => (told.push(frame), true) });
    for (const frame of table(1, [piece(own, undefined, true)])) forwarder.obey(frame);
    let good = 0;
    const { key, iv } = derive(mode, own.key, bytes.subarray(8, 16));
    for (let mask = 1; mask < 256; mask++) {
      const changed = Buffer.from(bytes);
      // Where chaining turns it into a change of the last byte of text: the block before, or that byte itself.
      const at = mode === 'cbc' || mode === 'legacy' ? bytes.length - 17 : bytes.length - 1;
      changed[at] = (changed[at] ?? 0) ^ mask;
      if (mode !== 'legacy' && paddingIsGood(mode, key, iv, changed.subarray(16))) good++;
      const text = changed.toString('base64').replace(/=+$/, '').slice(10);
      forwarder.hear(new Uint8Array(Buffer.from(text, 'latin1')), EVE, NOW);
    }
    // Of 255 changes one or two make a good padding: else nothing would be shown here.
    if (mode !== 'legacy' && mode !== 'ecb') assert.ok(good >= 1, mode);
    assert.equal(told.length, 0, mode);
    forwarder.rest(NOW);
    const [tally] = told;
    assert.ok(tally?.type === 'tally');
    const expected = FWKNOP_COUNTERS.map((name) => (name === 'no-key' ? 255 : 0));
    assert.deepEqual([...tally.counters], expected, mode);
    assert.equal(told.length, 1);
  }
});

function paddingIsGood(mode: FwknopMode, key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): boolean {
  const cipher = createDecipheriv(cipherOf(mode), key, mode === 'ecb' ? null : iv).setAutoPadding(false);
  const text = Buffer.concat([cipher.update(ciphertext), cipher.final()]);
  const last = text.at(-1) ?? 0;
  return last >= 1 && last <= 16 && text.subarray(-last).every((byte) => byte === last);
}

const BATCHES = 20;
const PER_BATCH = 40;

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * part)] ?? NaN;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** How much longer each family takes than the first, in microseconds, with what the same family twice differs by. */
function timings(
  mode: FwknopMode,
  open: (payload: Uint8Array) => void,
  key: Uint8Array,
): { base: number; noise: number; longer: Map<string, number> } {
  const perBatch = new Map<string, number[]>(NAMES.map((name) => [name, []]));
  for (let batch = -2; batch < BATCHES; batch++) {
    const packets = NAMES.flatMap((name) =>
      Array.from({ length: PER_BATCH }, () => ({ name, payload: packetOf(mode, key, FAMILIES[name]()) })),
    );
    for (let index = packets.length - 1; index > 0; index--) {
      const other = randomInt(index + 1);
      const [a, b] = [packets[index], packets[other]];
      if (a !== undefined && b !== undefined) [packets[index], packets[other]] = [b, a];
    }
    const times = new Map<string, number[]>(NAMES.map((name) => [name, []]));
    for (const { name, payload } of packets) {
      const before = process.hrtime.bigint();
      open(payload);
      times.get(name)?.push(Number(process.hrtime.bigint() - before) / 1000);
    }
    // The first ones warm up. Whoever interrupts us makes some slower, and none faster.
    if (batch >= 0) for (const name of NAMES) perBatch.get(name)?.push(quantile(times.get(name) ?? [], 0.2));
  }
  const ofFirst = perBatch.get(NAMES[0] ?? 'digest') ?? [];
  const differences = (name: string): number[] =>
    (perBatch.get(name) ?? []).map((time, batch) => time - (ofFirst[batch] ?? NaN));
  const longer = new Map(NAMES.map((name) => [name, median(differences(name))]));
  // Deviation of a median of batches, from that of the batches of two families that are the same.
  const noise = (1.4826 * 1.25 * median(differences('digest, once more').map(Math.abs))) / Math.sqrt(BATCHES);
  return { base: median(ofFirst), noise, longer };
}

/**
 * Families that take another time than the first, beyond what is noise: five deviations, and a twentieth of the whole. Who makes a good digest of bad fields
 * has the key, and learns nothing from the microsecond that a field which is not read saves; a tenth is enough there.
 */
function leaks(mode: FwknopMode, open: (payload: Uint8Array) => void, key: Uint8Array): string[] {
  const { base, noise, longer } = timings(mode, open, key);
  const mostOf = (name: string): number => Math.max(5 * noise, base / (name.endsWith('good digest') ? 10 : 20));
  return [...longer].flatMap(([name, time]) =>
    Math.abs(time) > mostOf(name) ? [`${name}: ${time.toFixed(1)} of ${base.toFixed(1)} µs`] : [],
  );
}

test('how long it takes does not tell them apart', () => {
  for (const mode of ['cbc', 'ctr'] as const) {
    const { ear, key } = earOf(mode);
    const tries: string[][] = [];
    // Noise makes a leak where there is none, but hides none for long.
    for (let attempt = 0; attempt < 4; attempt++) {
      tries.push(leaks(mode, (payload) => void ear.open(payload, EVE, NOW), key));
      if (tries.at(-1)?.length === 0) break;
    }
    assert.deepEqual(tries.at(-1), [], JSON.stringify(tries));
  }
});

test('the same measurement finds a reader that leaves out the digests where the padding is bad, each time', () => {
  const { ear, key } = earOf('cbc');
  /** As the ear, and what a reader does more that looks at padding first. */
  const leaky = (payload: Uint8Array): void => {
    ear.open(payload, EVE, NOW);
    const bytes = Buffer.from(`U2FsdGVkX1${Buffer.from(payload).toString('latin1')}`, 'base64');
    const derived = derive('cbc', key, bytes.subarray(8, 16));
    if (!paddingIsGood('cbc', derived.key, derived.iv, bytes.subarray(16))) return;
    for (const name of ['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-512'])
      createHash(name).update(bytes).digest();
  };
  for (let attempt = 0; attempt < 2; attempt++) {
    const found = leaks('cbc', leaky, key);
    for (const name of ['padding of 0', 'padding of 255', 'uneven padding', 'no text at all'])
      assert.ok(
        found.some((it) => it.startsWith(`${name}:`)),
        `${name} was not found: ${found.join('; ')}`,
      );
  }
});

test('junk of every size in whole blocks is one refusal', () => {
  const { ear } = earOf('cbc');
  for (let blocks = 6; blocks < 17; blocks++)
    assert.deepEqual(ear.open(shapedJunk(undefined, blocks), EVE, NOW), { ok: false, reason: 'no-key' });
});
