/** Where a forwarded service lives, as posternd.toml says it. */
import { familyOf, formatAddress, parseAddress } from '@postern/protocol';
import type { Endpoint } from '../firewall/port.ts';
import type { Forward } from './model.ts';
import type { Path } from './positions.ts';
import { errorAt, type TomlFile } from './toml-file.ts';

/** What a forward is written like, for messages. */
export const FORWARD_FORM = 'an address such as "10.0.3.7", "10.0.3.7:443" or "[fd00::7]:443" is expected';

const BRACKETED = /^\[([0-9A-Fa-f:.]+)\](?::([1-9][0-9]{0,4}))?$/;
const WITH_PORT = /^([0-9.]+):([1-9][0-9]{0,4})$/;

/** Reads one address with or without a port. Undefined when it is none, or is a name. */
export function parseForward(text: string): { address: Uint8Array; port: number | undefined } | undefined {
  const [, host = text, digits] = BRACKETED.exec(text) ?? WITH_PORT.exec(text) ?? [];
  const address = parseAddress(host);
  const port = digits === undefined ? undefined : Number(digits);
  return address === undefined || (port ?? 0) > 65_535 ? undefined : { address, port };
}

/** Why a packet cannot be led to an address; undefined when it can. */
function unreachable(address: Uint8Array): string | undefined {
  const four = familyOf(address) === 4;
  const [first = 0, second = 0] = four ? address.subarray(12) : address;
  if (four ? first === 127 : formatAddress(address) === '::1') return 'is this host itself';
  if (four ? first === 0 : formatAddress(address) === '::') return 'is no address of a host';
  if (four ? first >= 224 : first === 0xff) return 'is not the address of one host';
  if (!four && first === 0xfe && (second & 0xc0) === 0x80) return 'is valid on one link only, and no link is named';
  return undefined;
}

/**
 * Reads `forward` and `masquerade` of the service whose table is at `path`; undefined when it lives on this host.
 *
 * @throws PersonError `FILE:LINE:COLUMN: …`
 */
export function readForward(
  from: TomlFile,
  path: Path,
  raw: { readonly forward?: string | readonly string[] | undefined; readonly masquerade?: boolean | undefined },
  endpoints: readonly Endpoint[],
): Readonly<Partial<Record<4 | 6, Forward>>> | undefined {
  const name = path.join('.');
  if (raw.forward === undefined) {
    if (raw.masquerade === undefined) return undefined;
    const hint = 'it is for services that live on another host: `forward = "10.0.3.7"`';
    throw errorAt(from, [...path, 'masquerade'], `${name}.masquerade: the service is not forwarded`, hint);
  }
  const forward: Partial<Record<4 | 6, Forward>> = {};
  const all = typeof raw.forward === 'string' ? [raw.forward] : raw.forward;
  if (all.length === 0)
    throw errorAt(from, [...path, 'forward'], `${name}.forward: ${FORWARD_FORM}, but an empty list came`);
  all.forEach((text, i) => {
    const wrong = (what: string, hint?: string): Error =>
      errorAt(
        from,
        [...path, 'forward', ...(typeof raw.forward === 'string' ? [] : [i])],
        `${name}.forward: ${what}`,
        hint,
      );
    const parsed = parseForward(text);
    if (parsed === undefined) {
      const hint = 'a name is not looked up: write its address; one for IPv4 and one for IPv6 stand in a list';
      throw wrong(`${FORWARD_FORM}, but ${JSON.stringify(text.slice(0, 80))} came`, hint);
    }
    const { address, port } = parsed;
    const why = unreachable(address);
    if (why !== undefined) throw wrong(`${text} ${why}`, 'a service of this host needs no `forward`');
    const family = familyOf(address);
    if (forward[family] !== undefined)
      throw wrong(`${text} is the second of IPv${family}`, 'one for each family at most');
    if (port !== undefined && new Set(endpoints.map((endpoint) => endpoint.port)).size > 1) {
      throw wrong(
        `${text} has one port, but the service has several`,
        'leave the port out, so that each keeps its number, or make a service of each',
      );
    }
    forward[family] = { address, port, masquerade: raw.masquerade ?? false };
  });
  return forward;
}
