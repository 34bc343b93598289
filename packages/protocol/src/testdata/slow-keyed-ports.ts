/** For tests and vectors only: the numbers of keyed knocking a second time, from `docs/protocol.md`, with @noble/hashes and big integers. */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { fromHex, toHex } from '../bytes.ts';
import { integer } from './oracle.ts';
import { seeded } from './seeded.ts';
import { addressBytes } from './world.ts';

export interface KeyedVector {
  name: string;
  key: string;
  slot: number;
  service: string;
  address: string;
  /** In the order in which they are drawn. */
  numbers: number[];
  bound: number[];
}

export interface KnockFile {
  about: string;
  vectors: KeyedVector[];
}

export function slowNumbers(key: Uint8Array, label: string, slot: number, rest: Uint8Array, size: number): number[] {
  const numbers: number[] = [];
  for (let block = 0n; numbers.length < size; block++) {
    const text = concatBytes(utf8ToBytes(label), integer(8, slot), rest, integer(4, block));
    const words = toHex(hmac(sha256, key, text)).match(/.{4}/g) ?? [];
    for (const word of words) {
      const number = 1024 + (Number.parseInt(word, 16) % 31744);
      if (Number.parseInt(word, 16) >= 63488 || numbers.includes(number)) continue;
      if (numbers.length < size) numbers.push(number);
    }
  }
  return numbers;
}

export function serviceBytes(service: string): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(utf8ToBytes(service));
  return bytes;
}

export function makeKnocks(): KnockFile {
  const random = seeded('postern keyed knocking vectors');
  const keys = [toHex(random(32)), toHex(random(32))];
  const [one = '', two = ''] = keys;
  const cases: [name: string, key: string, slot: number, service: string, address: string][] = [
    ['an IPv4 address', one, 59_660_000, 'ssh', '192.0.2.7'],
    ['the next slot', one, 59_660_001, 'ssh', '192.0.2.7'],
    ['another service', one, 59_660_000, 'web', '192.0.2.7'],
    ['another device', two, 59_660_000, 'ssh', '192.0.2.7'],
    ['another IPv4 address: only the bound set is another', one, 59_660_000, 'ssh', '192.0.2.8'],
    ['an IPv6 address: only the bound set is another', one, 59_660_000, 'ssh', '2001:db8::7'],
    ['slot 0, and the longest name', two, 0, 'a-service-name-of-32-characters-', '0.0.0.0'],
    ['a slot of more than 32 bits', two, 2 ** 52, 's', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ];
  // Slots in which a word is dropped as too large, and in which a number comes twice.
  const large = slotWhere((words) => words.slice(0, 20).some((word) => word >= 63488));
  const twice = slotWhere((words) => new Set(words.slice(0, 20).map((word) => word % 31744)).size < 20);
  cases.push(
    ['a word that is too large', one, large, 'ssh', '192.0.2.7'],
    ['a number drawn twice', one, twice, 'ssh', '192.0.2.7'],
  );
  return {
    about: ABOUT,
    vectors: cases.map(([name, key, slot, service, address]) => {
      const rest = serviceBytes(service);
      return {
        ...{ name, key, slot, service, address },
        numbers: slowNumbers(fromHex(key), 'ports', slot, rest, 20),
        bound: slowNumbers(fromHex(key), 'bound', slot, concatBytes(rest, addressBytes(address)), 12),
      };
    }),
  };

  function slotWhere(holds: (words: readonly number[]) => boolean): number {
    for (let slot = 59_660_002; ; slot++) {
      const start = concatBytes(utf8ToBytes('ports'), integer(8, slot), serviceBytes('ssh'));
      const blocks = [0, 1].map((block) => toHex(hmac(sha256, fromHex(one), concatBytes(start, integer(4, block)))));
      if (holds((blocks.join('').match(/.{4}/g) ?? []).map((word) => Number.parseInt(word, 16)))) return slot;
    }
  }
}

const ABOUT =
  'Keyed knocking: the sets of numbers of devices (by knock key) for services in slots, and those bound to an address, in the order in which they are drawn. ' +
  'Not made with the code that they test: packages/protocol/src/testdata/slow-keyed-ports.ts. The keys are public: never use them.';
