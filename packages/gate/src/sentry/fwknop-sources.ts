/** Which credentials of fwknop's format a source may use. */
import type { MappedPrefix } from '../line/fwknop-codec.ts';

/** Whether the first `bits` of two addresses of 16 bytes are the same. */
export function isWithin(address: Uint8Array, { address: prefix, bits }: MappedPrefix): boolean {
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (address[index] !== prefix[index]) return false;
  const rest = bits & 7;
  return rest === 0 || (((address[whole] ?? 0) ^ (prefix[whole] ?? 0)) & (0xff << (8 - rest)) & 0xff) === 0;
}

/** Whether `source` is one of `sources`; undefined stands for all. */
export function isAmong(source: Uint8Array, sources: readonly MappedPrefix[] | undefined): boolean {
  return sources === undefined || sources.some((prefix) => isWithin(source, prefix));
}
