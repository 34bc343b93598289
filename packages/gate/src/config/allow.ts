import type { Endpoint, Exceptions } from '../firewall/port.ts';
import { parseEndpoint } from './endpoint.ts';

/** Protocols that may be allowed by name, with their numbers (IANA, assigned internet protocol numbers). */
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['ipip', 4],
  ['6in4', 41],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ospf', 89],
  ['vrrp', 112],
  ['l2tp', 115],
  ['sctp', 132],
]);
/** ICMP, TCP, UDP and ICMPv6 have rules of their own. */
const OWN_RULES = new Set([1, 6, 17, 58]);

/** What an entry of `allow` may be, for messages. */
export const ALLOW_FORM: string = `a port such as "tcp/80", "ping", a protocol (${[...PROTOCOLS.keys()].join(', ')}) or its number as "ip/N" is expected`;

/** What a name in `trust` may be, for messages. */
export const TRUST_FORM =
  'the name of a network interface such as "wg0", or the beginning of names such as "br-*", is expected';

type Allowed = Endpoint | { readonly protocol: 'ip'; readonly number: number } | { readonly protocol: 'ping' };

/** Reads one entry of `allow`; undefined for anything else. */
export function parseAllowed(text: string): Allowed | undefined {
  if (text === 'ping') return { protocol: 'ping' };
  const digits = /^ip\/(0|[1-9][0-9]{0,2})$/.exec(text)?.[1];
  const number = PROTOCOLS.get(text) ?? (digits === undefined ? undefined : Number(digits));
  if (number === undefined) return parseEndpoint(text);
  return number > 255 || OWN_RULES.has(number) ? undefined : { protocol: 'ip', number };
}

/** Whether `name` can be an interface's, or with a `*` at its end the beginning of several. */
export function isInterface(name: string): boolean {
  return /^[A-Za-z0-9_.:@-]{1,15}$|^[A-Za-z0-9_.:@-]{1,14}\*$/.test(name);
}

/** What `allow` and `trust` mean to a firewall. Entries that are none are left out: the schema has refused them. */
export function exceptionsOf({ allow, trust }: { allow: readonly string[]; trust: readonly string[] }): Exceptions {
  const allowed = allow.flatMap((text) => parseAllowed(text) ?? []);
  return {
    endpoints: allowed.flatMap((it) => ('port' in it ? [it] : [])),
    protocols: [...new Set(allowed.flatMap((it) => ('number' in it ? [it.number] : [])))],
    ping: allowed.some(({ protocol }) => protocol === 'ping'),
    interfaces: trust,
  };
}
