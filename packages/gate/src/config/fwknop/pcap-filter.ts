/** What of a libpcap filter (pcap-filter(7)) says where fwknop's packets are heard. */
import { formatHearing } from './hearing.ts';
import type { FwknopHearing } from './model.ts';

/** One port or range, at one or both of the transports that carry packets of fwknop. */
const PLACE = /^(?:(udp|tcp) )?(?:(?:dst )?port (\d{1,5})|(?:dst )?portrange (\d{1,5})-(\d{1,5}))$/;

/**
 * Reads `udp port N`, `udp dst port N`, `port N`, the same with `portrange A-B`, and `icmp`, joined by `or`, in parentheses or not. Undefined for anything
 * else: a filter that is half understood would hear what its author kept out.
 */
export function parsePcapFilter(filter: string): readonly FwknopHearing[] | undefined {
  const words = filter
    .toLowerCase()
    .replace(/\|\|/g, ' or ')
    .replace(/\s*-\s*/g, '-')
    .trim();
  const found = new Map<string, FwknopHearing>();
  for (const part of words.split(/\bor\b/)) {
    const places = placesOf(part);
    if (places === undefined) return undefined;
    for (const place of places) found.set(formatHearing(place), place);
  }
  return balanced(words) ? [...found.values()] : undefined;
}

/** With `or` alone, parentheses change nothing, if they are where an expression may begin and end. */
function balanced(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '(') depth++;
    if (character === ')' && --depth < 0) return false;
  }
  return depth === 0;
}

function placesOf(part: string): readonly FwknopHearing[] | undefined {
  const words = part
    .trim()
    .replace(/^[(\s]+/, '')
    .replace(/[)\s]+$/, '')
    .replace(/\s+/g, ' ');
  if (words === 'icmp') return [{ protocol: 'icmp' }];
  const [, protocol, port, from = port, to = port] = PLACE.exec(words) ?? [];
  if (from === undefined) return undefined;
  const [first, last] = [Number(from), Number(to)];
  if (first < 1 || last > 65_535 || first > last) return undefined;
  const protocols =
    protocol === undefined ? (['udp', 'tcp'] as const) : ([protocol === 'tcp' ? 'tcp' : 'udp'] as const);
  return protocols.map((each) => ({ protocol: each, first, last }));
}
