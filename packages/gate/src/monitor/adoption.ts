import { fullPrefix, sha256, toHex, type RequestId, type UnixMicros } from '@postern/protocol';
import type { Forward } from '../config/model.ts';
import type { Opening } from '../firewall/port.ts';
import { elementKey, type Grant } from './grant.ts';

/** An element that lasts so much longer than its grant, in microseconds, was given that time on purpose, and is no other's that lasts longer. */
const [LEAST, MOST] = [10_000, 1_300_000] as const;

/** What a start finds. */
export interface Adoption {
  /** Grants that the kernel still holds. */
  readonly live: readonly Grant[];
  /** Recorded grants that it does not hold any more. */
  readonly over: readonly Grant[];
  /** How many of `live` are in no record. */
  readonly unknown: number;
}

/** The id of the grant that an element belongs to: its comment, or else one that is made from where it stands. */
export function idOf({ id, source, endpoint, slot }: Pick<Opening, 'id' | 'source' | 'endpoint' | 'slot'>): string {
  if (id !== undefined && /^[0-9a-f]{16}$/.test(id)) return id;
  const place = `${elementKey(source, endpoint)} ${String(slot)}`;
  return toHex(sha256(new TextEncoder().encode(place)).subarray(0, 8));
}

/** Where the elements of one grant lead. */
function forwardOf(openings: readonly Opening[]): Forward | undefined {
  const target = openings.find((opening) => opening.target !== undefined)?.target;
  const own = openings.every((opening) => opening.target?.port === opening.endpoint.port);
  return target === undefined || !own ? target : { ...target, port: undefined };
}

/**
 * Brings together what the kernel holds and what the records say about it. Whether something is held, and how long at most, the kernel
 * says; whose it is, and which of those who share an element ends earlier, the records.
 *
 * @param kernelTime - `now` as the kernel counts it, in microseconds
 */
export function adopt(
  openings: readonly Opening[],
  records: readonly Grant[],
  now: UnixMicros,
  kernelTime: number = now,
): Adoption {
  const endOf = (opening: Opening): UnixMicros => (now + opening.remaining * 1000) as UnixMicros;
  const elements = new Map<string, Opening>();
  for (const opening of openings) {
    if (opening.slot === undefined) elements.set(elementKey(opening.source, opening.endpoint), opening);
  }

  const live = new Map<string, Grant>();
  const explained = new Set<string>();
  for (const record of records) {
    if (record.slot !== undefined) continue;
    const keys = record.endpoints.map((endpoint) => elementKey(record.source, endpoint));
    const held = keys.flatMap((key) => elements.get(key) ?? []);
    const ends = Math.min(record.ends, ...held.map(endOf)) as UnixMicros;
    if (held.length < keys.length || ends <= now) continue;
    const target = forwardOf(held);
    const single = record.source.prefix === fullPrefix(record.source.family) && target === undefined;
    const longer = Math.min(...held.map((opening) => endOf(opening))) - record.ends;
    const until = longer > LEAST && longer < MOST && single ? kernelTime + (ends - now) + longer : undefined;
    live.set(record.id, { ...record, ends, target, held: until });
    for (const key of keys) explained.add(key);
  }

  // Single connections, and elements that no live record explains: by the ids that they bear.
  const byId = new Map(records.map((record) => [record.id, record]));
  const unexplained = new Map<string, Opening[]>();
  for (const opening of openings) {
    if (opening.slot === undefined && explained.has(elementKey(opening.source, opening.endpoint))) continue;
    const id = idOf(opening);
    unexplained.set(id, [...(unexplained.get(id) ?? []), opening]);
  }
  let unknown = 0;
  for (const [id, held] of unexplained) {
    const record = byId.get(id);
    const before = live.get(id);
    const [first] = held;
    if (first === undefined) continue;
    if (before === undefined && record === undefined) unknown++;
    live.set(id, {
      id,
      request: record?.request ?? (id as RequestId),
      device: record?.device,
      service: record?.service,
      source: first.source,
      endpoints: [...(before?.endpoints ?? []), ...held.map(({ endpoint }) => endpoint)],
      created: record?.created ?? now,
      ends: Math.max(before?.ends ?? 0, ...held.map(endOf)) as UnixMicros,
      slot: first.slot,
      target: forwardOf(held),
    });
  }

  const over = records
    .filter(({ id }) => !live.has(id))
    .map((record) => ({ ...record, ends: Math.min(record.ends, now) as UnixMicros }));
  return { live: [...live.values()], over, unknown };
}
