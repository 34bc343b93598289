import { ascii, concat, writeU32 } from '../bytes.ts';
import { sha256 } from '../crypto.ts';
import type { Random } from '../random.ts';

/** For tests and vectors only: bytes that look random and are the same for the same `seed`. Block i is SHA-256(seed ‖ u32 i). */
export function seeded(seed: string): Random {
  const prefix = ascii(seed);
  const counter = new Uint8Array(4);
  let block = 0;
  let rest: Uint8Array = new Uint8Array(0);
  return (size) => {
    const parts = [rest];
    for (let have = rest.length; have < size; have += 32) {
      writeU32(counter, 0, block++);
      parts.push(sha256(prefix, counter));
    }
    const all = concat(...parts);
    rest = all.subarray(size);
    return all.slice(0, size);
  };
}
