import { formatAddress } from '@postern/protocol';
import { grantKey, grantKeyEnd, isSingle } from './elements.ts';
import type { Endpoint, Opening, Protection, Target } from './port.ts';
import { choosePlace, type Interval } from './prefix-place.ts';
import { PROTOCOL } from './protocol-number.ts';
import { PROTECTED, SETS, TABLE } from './table.ts';

function endpointText({ protocol, port }: Endpoint): string {
  return `${PROTOCOL[protocol]} . ${port}`;
}

function timeoutText(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '' : ` timeout ${Math.max(1, Math.ceil(milliseconds))}ms`;
}

function maskedText({ address, port }: Target, { protocol }: Endpoint): string {
  return `${formatAddress(address)} . ${endpointText({ protocol, port })}`;
}

/**
 * Commands that put listed elements into a new table, for the transaction that makes it. A comment that is no grant id is left out,
 * and so is a prefix for which there is no place.
 */
export function restoreText(openings: readonly Opening[], protections: readonly Protection[]): string {
  const sets = new Map<string, string[]>();
  const put = (set: string, element: string): void => {
    const elements = sets.get(set);
    if (elements === undefined) sets.set(set, [element]);
    else elements.push(element);
  };
  for (const { endpoint, remaining } of protections) put(PROTECTED, endpointText(endpoint) + timeoutText(remaining));

  const places = { 4: SETS[4].net.map((): Interval[] => []), 6: SETS[6].net.map((): Interval[] => []) };
  const guards = new Map<string, { set: string; key: string; remaining: number }>();
  const leads = new Map<string, { set: string; key: string; remaining: number; lead: string }>();
  const masked = new Map<string, { set: string; key: string; remaining: number }>();
  for (const { source, endpoint, id, slot, remaining, target } of openings) {
    const { open, net, armed, once, to, toNet, toOnce, masked: mask } = SETS[source.family];
    const single = isSingle(source);
    const key = `${formatAddress(source.address)}${single ? '' : `/${source.prefix}`} . ${endpointText(endpoint)}`;
    const rest = timeoutText(remaining) + (id !== undefined && /^[0-9a-f]{16}$/.test(id) ? ` comment "${id}"` : '');
    const lead = target === undefined ? '' : ` : ${formatAddress(target.address)} . ${target.port}`;
    if (target?.masquerade === true) {
      const seen = maskedText(target, endpoint);
      const least = Math.max(remaining, masked.get(seen)?.remaining ?? 0);
      masked.set(seen, { set: mask, key: seen, remaining: least });
    }
    const place = slot === undefined ? undefined : once[slot];
    if (place !== undefined) {
      put(place, key + rest);
      const guard = guards.get(key);
      const lasting = Math.max(remaining + 1000, guard?.remaining ?? 0);
      guards.set(key, { set: armed, key, remaining: lasting });
      if (lead !== '') leads.set(key, { set: toOnce, key, lead, remaining: lasting });
    } else if (single) {
      put(open, key + rest);
      if (lead !== '') put(to, key + timeoutText(remaining) + lead);
    } else {
      const interval = { key: grantKey(source, endpoint), keyEnd: grantKeyEnd(source, endpoint) };
      const chosen = choosePlace(places[source.family], interval);
      const set = net[chosen?.index ?? -1];
      if (chosen === undefined || set === undefined) continue;
      places[source.family][chosen.index]?.push(interval);
      put(set, key + rest);
      const map = toNet[chosen.index];
      if (lead !== '' && map !== undefined) put(map, key + timeoutText(remaining) + lead);
    }
  }
  for (const { set, key, remaining } of [...guards.values(), ...masked.values()])
    put(set, key + timeoutText(remaining));
  for (const { set, key, lead, remaining } of leads.values()) put(set, key + timeoutText(remaining) + lead);
  return [...sets].map(([set, elements]) => `add element inet ${TABLE} ${set} { ${elements.join(', ')} }\n`).join('');
}
