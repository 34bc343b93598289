/**
 * Addresses are 16 bytes everywhere: IPv6 as it is, IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2). A prefix length counts
 * within the family, 0 to 32 or 0 to 128. Text never reaches the system's resolver.
 */

/** Size of an address in bytes. */
export const ADDRESS_SIZE = 16;

/** An address, or a block of them when `prefix` is shorter than the family's full length; the bits after it are zero. */
export interface Prefix {
  readonly family: 4 | 6;
  /** 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** Prefix length within the family: 0 to 32, or 0 to 128. */
  readonly prefix: number;
}

/** Longest prefix of a family: 32 or 128, one address. */
export function fullPrefix(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Family of a 16-byte address: 4 for ::ffff:0:0/96, otherwise 6. Throws RangeError for another size. */
export function familyOf(address: Uint8Array): 4 | 6 {
  mustBeAddress(address);
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return 6;
  return address[10] === 0xff && address[11] === 0xff ? 4 : 6;
}

/**
 * Reads an address: dotted IPv4 without leading zeros, or IPv6 (RFC 4291, section 2.2) without a zone. Total: anything else is
 * undefined.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  // The longest form is 45 characters: six groups of four and a dotted tail.
  if (text.length < 2 || text.length > 45) return undefined;
  return text.includes(':') ? parseAddress6(text) : parseAddress4(text);
}

/** Writes an address: dotted for IPv4, RFC 5952 for IPv6. Throws RangeError for another size than 16 bytes. */
export function formatAddress(address: Uint8Array): string {
  if (familyOf(address) === 4) return address.subarray(12).join('.');
  const groups: number[] = [];
  for (let i = 0; i < ADDRESS_SIZE; i += 2) groups.push(((address[i] ?? 0) << 8) | (address[i + 1] ?? 0));
  const { start, length } = longestZeros(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/**
 * Reads `address` or `address/length`. Undefined for anything else, also when a bit after the prefix is set: whether
 * 10.0.0.1/8 means one host or sixteen million is for its author to say ({@link prefixOf} makes the wide reading).
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const family = familyOf(address);
  if (slash < 0) return { family, address, prefix: fullPrefix(family) };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  // ::ffff:10.0.0.0/104 counts in IPv6's bits.
  const prefix = Number(digits) - (family === 4 && text.includes(':') ? 96 : 0);
  if (prefix < 0 || prefix > fullPrefix(family)) return undefined;
  return hasHostBits(address, family, prefix) ? undefined : { family, address, prefix };
}

/** Writes a prefix; a single address without its length. */
export function formatPrefix(prefix: Prefix): string {
  const text = formatAddress(prefix.address);
  return prefix.prefix === fullPrefix(prefix.family) ? text : `${text}/${prefix.prefix}`;
}

/** The block of `prefix` bits around an address. Throws RangeError when the length does not fit the address's family. */
export function prefixOf(address: Uint8Array, prefix: number): Prefix {
  const family = familyOf(address);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > fullPrefix(family)) {
    throw new RangeError(`prefix length ${prefix} does not fit IPv${family}`);
  }
  const masked = Uint8Array.from(address);
  for (let i = 0, bits = absoluteBits(family, prefix); i < ADDRESS_SIZE; i++, bits -= 8) {
    masked[i] = (masked[i] ?? 0) & byteMask(bits);
  }
  return { family, address: masked, prefix };
}

/**
 * Writes the first address of the block of `prefix` bits around an address (at most the family's full length) into `into`, 16 bytes: what
 * {@link prefixOf} makes, without making anything.
 */
export function writeBlock(address: Uint8Array, prefix: number, into: Uint8Array): void {
  for (let i = 0, bits = absoluteBits(familyOf(address), prefix); i < ADDRESS_SIZE; i++, bits -= 8) {
    into[i] = (address[i] ?? 0) & byteMask(bits);
  }
}

/** True when a block holds all of another block, or an address. Blocks of different families never hold each other. */
export function contains(outer: Prefix, inner: Prefix | Uint8Array): boolean {
  const address = inner instanceof Uint8Array ? inner : inner.address;
  const family = inner instanceof Uint8Array ? familyOf(inner) : inner.family;
  if (family !== outer.family) return false;
  if (!(inner instanceof Uint8Array) && inner.prefix < outer.prefix) return false;
  for (let i = 0, bits = absoluteBits(outer.family, outer.prefix); bits > 0 && i < ADDRESS_SIZE; i++, bits -= 8) {
    if ((((address[i] ?? 0) ^ (outer.address[i] ?? 0)) & byteMask(bits)) !== 0) return false;
  }
  return true;
}

/**
 * A key for maps that is equal exactly for addresses of one family in one block of `prefix` bits (at most the family's full
 * length). Not for people: it holds raw bytes as characters 0 to 255.
 */
export function prefixKey(address: Uint8Array, prefix: number): string {
  let key = '';
  for (let i = 0, bits = absoluteBits(familyOf(address), prefix); bits > 0 && i < ADDRESS_SIZE; i++, bits -= 8) {
    key += String.fromCharCode((address[i] ?? 0) & byteMask(bits));
  }
  return key;
}

/** True when two 16-byte addresses are the same. Not for secrets. */
export function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * True for a unicast address that means the same host anywhere: none of the blocks that the IANA IPv4 and IPv6 special-purpose
 * address registries (RFC 6890) do not call globally reachable, no multicast, and IPv6 only within 2000::/3 (RFC 4291). Where the
 * registry says N/A (6to4, Teredo) the answer is false: who is not sure of an address asks the gate.
 */
export function isGlobal(address: Uint8Array): boolean {
  if (familyOf(address) === 6 && ((address[0] ?? 0) & 0xe0) !== 0x20) return false;
  return REACHABLE.some((block) => contains(block, address)) || !SPECIAL.some((block) => contains(block, address));
}

function mustBeAddress(address: Uint8Array): void {
  if (address.length !== ADDRESS_SIZE)
    throw new RangeError(`an address has ${ADDRESS_SIZE} bytes, not ${address.length}`);
}

function absoluteBits(family: 4 | 6, prefix: number): number {
  return family === 4 ? prefix + 96 : prefix;
}

/** Mask of a byte of which the first `bits` count; more than 8 or less than 0 are cut. */
function byteMask(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

function hasHostBits(address: Uint8Array, family: 4 | 6, prefix: number): boolean {
  for (let i = 0, bits = absoluteBits(family, prefix); i < ADDRESS_SIZE; i++, bits -= 8) {
    if (((address[i] ?? 0) & ~byteMask(bits)) !== 0) return true;
  }
  return false;
}

function parseAddress4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(ADDRESS_SIZE);
  bytes[10] = bytes[11] = 0xff;
  return writeDotted(text, bytes, 12) ? bytes : undefined;
}

function writeDotted(text: string, bytes: Uint8Array, at: number): boolean {
  const parts = text.split('.');
  if (parts.length !== 4) return false;
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return false;
    const value = Number(part);
    if (value > 255) return false;
    bytes[at + i] = value;
  }
  return true;
}

function parseAddress6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [headText = '', tailText] = halves;
  const head = parseGroups(headText, tailText === undefined);
  const tail = tailText === undefined ? new Uint8Array(0) : parseGroups(tailText, true);
  if (head === undefined || tail === undefined) return undefined;
  const size = head.length + tail.length;
  // `::` stands for one group at least.
  if (tailText === undefined ? size !== ADDRESS_SIZE : size > ADDRESS_SIZE - 2) return undefined;
  const bytes = new Uint8Array(ADDRESS_SIZE);
  bytes.set(head, 0);
  bytes.set(tail, ADDRESS_SIZE - tail.length);
  return bytes;
}

/** Groups of one to four hexadecimal digits; the last may be dotted IPv4 where the text ends the address. */
function parseGroups(text: string, last: boolean): Uint8Array | undefined {
  if (text === '') return new Uint8Array(0);
  const groups = text.split(':');
  if (groups.length > 8) return undefined;
  const bytes = new Uint8Array(ADDRESS_SIZE + 4);
  let at = 0;
  for (const [i, group] of groups.entries()) {
    if (last && i === groups.length - 1 && group.includes('.')) {
      if (!writeDotted(group, bytes, at)) return undefined;
      at += 4;
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes[at++] = value >> 8;
      bytes[at++] = value & 0xff;
    }
  }
  return bytes.subarray(0, at);
}

/** The first of the longest runs of zero groups (RFC 5952, section 4.2.3). */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i < groups.length; i++) {
    if (groups[i] !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

function blocks(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) throw new TypeError(`not a prefix: ${text}`);
    return prefix;
  });
}

/** Special-purpose blocks that are not globally reachable, or of which the registry does not say so; and multicast. */
const SPECIAL: readonly Prefix[] = blocks(
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
);

/** Blocks inside those that are globally reachable all the same. */
const REACHABLE: readonly Prefix[] = blocks(
  ...['192.0.0.9', '192.0.0.10'],
  ...['2001:1::1', '2001:1::2', '2001:1::3', '2001:3::/32', '2001:4:112::/48', '2001:20::/28', '2001:30::/28'],
);
