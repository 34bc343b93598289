import { familyOf, parseAddress, sameAddress } from '@postern/protocol';

/** Turns a host name into addresses as text; throws if there are none. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** The operating system's resolver, in its order of preference (RFC 6724). */
export const systemLookup: Lookup = async (name) => {
  // Addresses need no resolver, and it takes a millisecond to load.
  const { lookup } = await import('node:dns/promises');
  const found = await lookup(name, { all: true, order: 'verbatim' });
  return found.map(({ address }) => address);
};

/** Most addresses of one host that are tried. */
const ADDRESSES_MAX = 8;

/** Addresses of a host, 16 bytes each, without doubles, and the names that gave none. */
export interface Resolved {
  readonly addresses: readonly Uint8Array[];
  readonly failed: readonly string[];
}

/** Resolves names and addresses, keeping their order; `family` leaves only those. */
export async function resolveAddresses(
  names: readonly string[],
  family: 4 | 6 | undefined,
  find: Lookup = systemLookup,
): Promise<Resolved> {
  const failed: string[] = [];
  const groups = await Promise.all(
    names.map(async (name) => {
      const literal = parseAddress(name);
      if (literal !== undefined) return [literal];
      try {
        return (await find(name)).map(parseAddress).filter((address) => address !== undefined);
      } catch {
        failed.push(name);
        return [];
      }
    }),
  );
  const addresses: Uint8Array[] = [];
  for (const address of groups.flat()) {
    const wanted = family === undefined || familyOf(address) === family;
    if (wanted && !addresses.some((other) => sameAddress(other, address))) addresses.push(address);
  }
  return { addresses: addresses.slice(0, ADDRESSES_MAX), failed };
}
