import type { RequestId, UnixMicros } from '@postern/protocol';
import type { Opening } from '../firewall/port.ts';
import { elementKey, type Grant } from './grant.ts';

/** What a start finds. */
export interface Adoption {
  /** Grants that the kernel still holds. */
  readonly live: readonly Grant[];
  /** Recorded grants that it does not hold any more. */
  readonly over: readonly Grant[];
  /** How many of `live` are in no record. */
  readonly unknown: number;
}

/**
 * Brings together what the kernel holds and what the records say about it. Whether something is held, and how long at most, the kernel
 * says; whose it is, and which of those who share an element ends earlier, the records.
 */
export function adopt(openings: readonly Opening[], records: readonly Grant[], now: UnixMicros): Adoption {
  const endOf = (opening: Opening): UnixMicros => (now + opening.remaining * 1000) as UnixMicros;
  const elements = new Map<string, UnixMicros>();
  for (const opening of openings) {
    if (opening.slot === undefined) elements.set(elementKey(opening.source, opening.endpoint), endOf(opening));
  }

  const live = new Map<string, Grant>();
  const explained = new Set<string>();
  for (const record of records) {
    if (record.slot !== undefined) continue;
    const keys = record.endpoints.map((endpoint) => elementKey(record.source, endpoint));
    const ends = Math.min(record.ends, ...keys.map((key) => elements.get(key) ?? 0)) as UnixMicros;
    if (ends <= now) continue;
    live.set(record.id, { ...record, ends });
    for (const key of keys) explained.add(key);
  }

  // Single connections, and elements that no live record explains: by the ids that they bear.
  const byId = new Map(records.map((record) => [record.id, record]));
  let unknown = 0;
  for (const opening of openings) {
    const key = elementKey(opening.source, opening.endpoint);
    if (opening.slot === undefined && explained.has(key)) continue;
    const id = opening.id ?? `unknown-${key}`;
    const record = byId.get(id);
    const before = live.get(id);
    if (before === undefined && record === undefined) unknown++;
    live.set(id, {
      id,
      request: record?.request ?? (id as RequestId),
      device: record?.device,
      service: record?.service,
      source: opening.source,
      endpoints: [...(before?.endpoints ?? []), opening.endpoint],
      created: record?.created ?? now,
      ends: Math.max(before?.ends ?? 0, endOf(opening)) as UnixMicros,
      slot: opening.slot,
    });
  }

  const over = records
    .filter(({ id }) => !live.has(id))
    .map((record) => ({ ...record, ends: Math.min(record.ends, now) as UnixMicros }));
  return { live: [...live.values()], over, unknown };
}
