/**
 * Which grants stand, said in steps ({@link Steps}): there may be tens of thousands, and listing the kernel's sets takes as long as many knocks. Of a
 * timed grant the book knows when it ends; whether a single connection was used up, the kernel alone, which is asked about those and no others.
 */
import type { UnixMicros } from '@postern/protocol';
import type { Firewall, Place } from '../firewall/port.ts';
import { idOf } from './adoption.ts';
import type { Grant } from './grant.ts';
import type { GrantBook } from './grants.ts';

/** Places that the kernel is asked about at once: that takes some tenths of a millisecond. */
const AT_ONCE = 32;

/** Whom to ask. */
export interface HeldContext {
  readonly grants: Pick<GrantBook, 'each' | 'get'>;
  readonly firewall: Pick<Firewall, 'armed'>;
  readonly clock: () => UnixMicros;
}

/** Every grant that stands when it is given; undefined is a step without one. One that begins or ends meanwhile may be left out. */
export function* heldGrants(context: HeldContext): Generator<Grant | undefined, undefined, undefined> {
  const some = new Some();
  for (const grant of context.grants.each(context.clock)) {
    yield grant?.slot === undefined ? grant : undefined;
    if (grant?.slot !== undefined && some.add(grant)) yield* stillArmed(context, some.take());
  }
  yield* stillArmed(context, some.take());
}

/** The first `most` of them, in the order of their ids, after the id `after`. */
export function* firstHeld(
  context: HeldContext,
  after: string,
  most: number,
): Generator<undefined, Grant[], undefined> {
  const found: Grant[] = [];
  for (let last: string | undefined = after; last !== undefined;) {
    const next: Grant[] = yield* firstKnown(context, last, most);
    const some = new Some();
    for (const grant of next) {
      if (some.add(grant)) found.push(...stillHeld(context, some.take()));
      yield undefined;
    }
    found.push(...stillHeld(context, some.take()));
    last = found.length < most && next.length === most ? next.at(-1)?.id : undefined;
  }
  return found.slice(0, most);
}

/** The same of all that the book takes for live. */
function* firstKnown(
  { grants, clock }: HeldContext,
  after: string,
  most: number,
): Generator<undefined, Grant[], undefined> {
  const first: Grant[] = [];
  for (const grant of grants.each(clock)) {
    yield undefined;
    if (grant === undefined || grant.id <= after) continue;
    const last = first.at(-1);
    if (first.length === most && last !== undefined && grant.id > last.id) continue;
    first.splice(placeOf(first, grant.id), 0, grant);
    if (first.length > most) first.pop();
  }
  return first;
}

/** Where an id belongs in a list in the order of ids. */
function placeOf(sorted: readonly Grant[], id: string): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle]?.id ?? '') < id) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Grants that the kernel is asked about together. */
class Some {
  #grants: Grant[] = [];
  #places = 0;

  /** True when they are enough. */
  add(grant: Grant): boolean {
    this.#grants.push(grant);
    this.#places += grant.endpoints.length;
    return this.#places >= AT_ONCE;
  }

  take(): Grant[] {
    const grants = this.#grants;
    this.#grants = [];
    this.#places = 0;
    return grants;
  }
}

/** Which of some grants stand still, as they are now. */
function stillHeld(context: HeldContext, some: readonly Grant[]): Grant[] {
  const now = context.clock();
  const live = some.flatMap(({ id }) => context.grants.get(id, now) ?? []);
  const armed = new Set(stillArmed(context, live).map(({ id }) => id));
  return live.filter(({ id, slot }) => slot === undefined || armed.has(id));
}

/** Which of some single-use grants the kernel holds still: at one of their endpoints at least. */
function stillArmed({ grants, firewall, clock }: HeldContext, some: readonly Grant[]): Grant[] {
  if (some.length === 0) return [];
  const now = clock();
  const places = some.flatMap(({ id }): { grant: Grant; place: Place }[] => {
    const grant = grants.get(id, now);
    const { slot, source } = grant ?? {};
    if (grant === undefined || slot === undefined || source === undefined) return [];
    return grant.endpoints.map((endpoint) => ({ grant, place: { source, endpoint, slot } }));
  });
  const armed = firewall.armed(places.map(({ place }) => place));
  const held = places.filter(({ grant, place }, index) => {
    const found = armed[index];
    return found !== undefined && idOf({ ...place, id: found.id }) === grant.id;
  });
  return [...new Set(held.map(({ grant }) => grant))];
}
