/** What an expression of nft is for one packet, and whether it equals what a rule asks for (libnftables-json(5)). Pure. */
import { inBlock, inRange } from './addresses.ts';
import { every, not, some, type Packet, type Tri } from './model.ts';

/** A parsed piece of JSON whose keys are looked up. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is known of the table that a rule stands in. */
export interface Surroundings {
  /** Elements of the table's sets and maps by name, without the @. */
  readonly sets: ReadonlyMap<string, readonly unknown[]>;
  /** Some rule of the ruleset sets marks, so that a packet's mark is not known. */
  readonly marks: boolean;
}

/** The packet has no such field: rules that ask for it do not match. */
export const ABSENT: unique symbol = Symbol('absent');
/** An address that no rule names. */
export const STRANGER: unique symbol = Symbol('stranger');

/** A value: several words for flags (`words`), several values for a concatenation (`parts`); undefined = not understood. */
export type Value =
  | string
  | number
  | boolean
  | typeof ABSENT
  | typeof STRANGER
  | { readonly words: readonly string[] }
  | { readonly parts: readonly Value[] }
  | undefined;

const PROTOCOLS: Readonly<Record<string, string>> = {
  'ipv6-icmp': 'icmpv6',
  '6': 'tcp',
  '17': 'udp',
  '1': 'icmp',
  '58': 'icmpv6',
};

function ofIp(family: 4 | 6, field: unknown, packet: Packet): Value {
  if (packet.family !== family) return ABSENT;
  switch (field) {
    case 'saddr':
      return packet.source ?? STRANGER;
    case 'daddr':
      return packet.destination ?? STRANGER;
    case 'protocol':
    case 'nexthdr':
      return packet.protocol;
    case 'version':
      return family;
    case 'frag-off':
      return 0;
    default:
      return undefined;
  }
}

function ofTransport(protocol: string, field: unknown, packet: Packet): Value {
  const ports = packet.protocol === 'tcp' || packet.protocol === 'udp';
  if (protocol === 'th' ? !ports : protocol !== packet.protocol) return ABSENT;
  switch (field) {
    case 'sport':
      return packet.sourcePort;
    case 'dport':
      return packet.destinationPort;
    case 'flags':
      return { words: packet.flags };
    case 'type':
      return packet.protocol === 'icmp' || packet.protocol === 'icmpv6' ? 'echo-request' : undefined;
    case 'code':
      return 0;
    default:
      return undefined;
  }
}

function ofPayload(payload: Json, packet: Packet): Value {
  const { protocol, field } = payload;
  if (protocol === 'ip') return ofIp(4, field, packet);
  if (protocol === 'ip6') return ofIp(6, field, packet);
  if (typeof protocol !== 'string' || protocol === 'ether' || protocol === 'vlan') return undefined;
  return ['th', 'tcp', 'udp', 'icmp', 'icmpv6', 'udplite', 'sctp', 'dccp', 'esp', 'ah', 'comp'].includes(protocol)
    ? ofTransport(protocol, field, packet)
    : undefined;
}

function ofMeta(key: unknown, packet: Packet, { marks }: Surroundings): Value {
  switch (key) {
    case 'iifname':
    case 'iif':
      return packet.input ?? ABSENT;
    case 'oifname':
    case 'oif':
      // Of what is forwarded the way out is not known.
      return packet.output ?? (packet.translated ? undefined : ABSENT);
    case 'nfproto':
      return packet.family === 4 ? 'ipv4' : 'ipv6';
    case 'protocol':
      return packet.family === 4 ? 'ip' : 'ip6';
    case 'l4proto':
      return packet.protocol;
    case 'mark':
      return marks ? undefined : 0;
    case 'pkttype':
      return packet.input === undefined ? undefined : 'host';
    default:
      return undefined;
  }
}

function ofConntrack(ct: Json, packet: Packet, { marks }: Surroundings): Value {
  switch (ct['key']) {
    case 'state':
      return { words: [packet.state] };
    case 'status':
      return { words: packet.translated ? ['dnat'] : [] };
    case 'direction':
      return packet.state === 'new' ? 'original' : undefined;
    case 'mark':
      return packet.state === 'new' && !marks ? 0 : undefined;
    default:
      return undefined;
  }
}

function ofFib(fib: Json, packet: Packet): Value {
  const flags = Array.isArray(fib['flags']) ? fib['flags'] : [fib['flags']];
  const arrives = packet.input !== undefined;
  if (fib['result'] === 'type') {
    if (flags.includes('saddr')) return arrives ? 'unicast' : 'local';
    return flags.includes('daddr') ? (arrives && !packet.translated ? 'local' : 'unicast') : undefined;
  }
  // A stranger's address has a route back, and an answer has a way out.
  return flags.includes('saddr') && arrives ? true : undefined;
}

/** The words of `fin|syn` in every form that nft writes. */
function words(mask: unknown): readonly string[] | undefined {
  if (typeof mask === 'string') return [mask];
  if (isObject(mask)) return words(mask['|']);
  if (!Array.isArray(mask)) return undefined;
  const each = mask.map(words);
  return each.every((it) => it !== undefined) ? each.flat() : undefined;
}

function masked(operands: unknown, packet: Packet, around: Surroundings): Value {
  if (!Array.isArray(operands)) return undefined;
  const value = valueOf(operands[0], packet, around);
  if (value === ABSENT) return ABSENT;
  const mask: unknown = operands[1];
  if (typeof value === 'number' && typeof mask === 'number') return Number(BigInt(value) & BigInt(mask));
  const named = words(mask);
  if (typeof value !== 'object' || !('words' in value) || named === undefined) return undefined;
  return { words: value.words.filter((word) => named.includes(word)) };
}

/** What an expression is for a packet. */
export function valueOf(expression: unknown, packet: Packet, around: Surroundings): Value {
  if (typeof expression === 'number' || typeof expression === 'string') return expression;
  if (!isObject(expression)) return undefined;
  const [name, argument] = Object.entries(expression)[0] ?? [];
  if (name === '&') return masked(argument, packet, around);
  if (name === 'concat' && Array.isArray(argument)) {
    const parts = argument.map((part) => valueOf(part, packet, around));
    return parts.includes(ABSENT) ? ABSENT : { parts };
  }
  if (!isObject(argument)) return undefined;
  switch (name) {
    case 'payload':
      return ofPayload(argument, packet);
    case 'meta':
      return ofMeta(argument['key'], packet, around);
    case 'ct':
      return ofConntrack(argument, packet, around);
    case 'fib':
      return ofFib(argument, packet);
    case 'exthdr':
      return argument['field'] === undefined ? false : ABSENT;
    default:
      return undefined;
  }
}

function isAddress(value: Value): value is string | typeof STRANGER {
  return value === STRANGER || (typeof value === 'string' && /[.:]/.test(value) && /^[0-9a-f.:]+$/i.test(value));
}

function equalsText(value: string, wanted: string): boolean {
  if (wanted.endsWith('*')) return value.startsWith(wanted.slice(0, -1));
  return value === wanted || value === PROTOCOLS[wanted];
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function equalsBlock(value: Value, wanted: Json): Tri {
  const { prefix, range } = wanted;
  if (isObject(prefix) && isAddress(value)) {
    const address = value === STRANGER ? undefined : value;
    return inBlock(address, String(prefix['addr']), Number(prefix['len']));
  }
  if (!isList(range)) return undefined;
  const [from, to] = range;
  if (typeof value === 'number' && typeof from === 'number' && typeof to === 'number')
    return value >= from && value <= to;
  return isAddress(value) ? inRange(value === STRANGER ? undefined : value, String(from), String(to)) : undefined;
}

/** Whether a value is what stands on the right side of a match, or is among it. */
export function equals(value: Value, wanted: unknown, around: Surroundings): Tri {
  if (value === ABSENT) return false;
  if (wanted === '*') return true;
  if (typeof wanted === 'string' && wanted.startsWith('@')) {
    const elements = around.sets.get(wanted.slice(1));
    return elements === undefined ? undefined : some(elements.map((element) => equals(value, element, around)));
  }
  if (Array.isArray(wanted)) {
    if (typeof value === 'object' && 'words' in value) return sameWords(value.words, wanted.map(String));
    return some(wanted.map((each) => equals(value, each, around)));
  }
  if (isObject(wanted)) {
    const { set, elem, concat } = wanted;
    if (Array.isArray(set)) return some(set.map((element) => equals(value, element, around)));
    if (isObject(elem)) return equals(value, elem['val'], around);
    if (Array.isArray(concat)) {
      if (typeof value !== 'object' || !('parts' in value) || value.parts.length !== concat.length) return undefined;
      return every(value.parts.map((part, i) => equals(part, concat[i], around)));
    }
    const listed = words(wanted);
    if (listed !== undefined && typeof value === 'object' && 'words' in value) return sameWords(value.words, listed);
    return equalsBlock(value, wanted);
  }
  if (value === undefined) return undefined;
  if (value === STRANGER) return false;
  if (typeof value === 'object') return 'words' in value ? sameWords(value.words, [String(wanted)]) : undefined;
  if (isAddress(value) && typeof wanted === 'string') return inBlock(value, wanted, undefined);
  if (typeof value === 'string') return typeof wanted === 'boolean' ? undefined : equalsText(value, String(wanted));
  return typeof wanted === typeof value ? value === wanted : undefined;
}

function sameWords(have: readonly string[], wanted: readonly string[]): boolean {
  return have.length === wanted.length && wanted.every((word) => have.includes(word));
}

function hasWord(value: Value, wanted: unknown): Tri {
  if (typeof value !== 'object' || !('words' in value)) return undefined;
  const named = words(isObject(wanted) && Array.isArray(wanted['set']) ? wanted['set'] : wanted);
  return named?.some((word) => value.words.includes(word));
}

/** Whether a packet matches `{ op, left, right }`. */
export function matches(match: Json, packet: Packet, around: Surroundings): Tri {
  const { op, left, right } = match;
  const value = valueOf(left, packet, around);
  if (value === ABSENT) return false;
  switch (op) {
    case '==':
      return equals(value, right, around);
    case '!=':
      return not(equals(value, right, around));
    case 'in':
      // `ct state new,established`, `tcp flags syn`: one of them is enough.
      return typeof value === 'object' && 'words' in value ? hasWord(value, right) : equals(value, right, around);
    default: {
      if (typeof value !== 'number' || typeof right !== 'number') return undefined;
      const order: Readonly<Record<string, boolean>> = {
        '<': value < right,
        '>': value > right,
        '<=': value <= right,
        '>=': value >= right,
      };
      return order[String(op)];
    }
  }
}
