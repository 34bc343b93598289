import { contains, familyOf, fullPrefix, isGlobal, type Prefix, prefixOf, type StatedSource } from '@postern/protocol';
import type { Memory } from './host.ts';
import type { SourceChoice } from './request.ts';
import type { Path } from './transport.ts';

/**
 * The source to state on a path: as chosen; or by `auto` the address that the gate saw on this network before, else the local one if it
 * is the same everywhere. Undefined: nobody here knows, and the gate has to be asked first.
 */
export function sourceFor(choice: SourceChoice, path: Path, memory: Memory): StatedSource | undefined {
  if (choice === 'observed') return { type: 'observed' };
  if (choice !== 'auto') return statedAs(choice);
  const seen = memory.seen.get(path.network)?.address;
  if (seen !== undefined && familyOf(seen) === familyOf(path.local)) return oneAddress(seen);
  return isGlobal(path.local) ? oneAddress(path.local) : undefined;
}

/** One address as a stated source. */
export function oneAddress(address: Uint8Array): StatedSource {
  return statedAs(prefixOf(address, fullPrefix(familyOf(address))));
}

/** What a stated source is a grant for; undefined where the gate observes it. */
export function prefixOfSource(source: StatedSource): Prefix | undefined {
  return source.type === 'observed'
    ? undefined
    : { family: source.type, address: source.address, prefix: source.prefix };
}

/** Whether the gate takes a request with this source from a device that it sees at `address`. */
export function fitsSource(source: StatedSource, address: Uint8Array): boolean {
  const prefix = prefixOfSource(source);
  return prefix === undefined || contains(prefix, address);
}

function statedAs({ family, address, prefix }: Prefix): StatedSource {
  return { type: family, address, prefix };
}
