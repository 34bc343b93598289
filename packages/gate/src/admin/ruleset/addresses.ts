import { contains, parseAddress, parsePrefix } from '@postern/protocol';
import type { Tri } from './model.ts';

/**
 * Whether an address is in a block or is an address. A stranger (undefined) is in every block of length 0 and in no other.
 *
 * @param length - of the prefix; undefined for one address
 */
export function inBlock(address: string | undefined, block: string, length: number | undefined): Tri {
  if (length === 0) return true;
  if (address === undefined) return parseAddress(block) === undefined ? undefined : false;
  const bytes = parseAddress(address);
  const prefix = parsePrefix(length === undefined ? block : `${block}/${length}`);
  return bytes === undefined || prefix === undefined ? undefined : contains(prefix, bytes);
}

/** Whether an address is between two others, both included. */
export function inRange(address: string | undefined, from: string, to: string): Tri {
  const [low, high] = [parseAddress(from), parseAddress(to)];
  if (low === undefined || high === undefined) return undefined;
  const bytes = address === undefined ? undefined : parseAddress(address);
  if (bytes === undefined) return false;
  return Buffer.compare(low, bytes) <= 0 && Buffer.compare(bytes, high) <= 0;
}
