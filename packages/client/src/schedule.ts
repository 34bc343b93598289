/**
 * When to try again, and when silence means something. All times in milliseconds. With a round trip of 2 s and 20 % loss each way, one
 * try in three is lost; the eight and more tries that get their 2 s within the 12 s of a wait fail together less than once in 1,000.
 */
import type { RoundTrip } from './host.ts';

/** How long to wait without any answer. */
export const PATIENCE_MS = 12_000;
/** The longest round trip that is still served. */
export const LONGEST_ROUND_TRIP_MS = 2_000;

const UNIT_LEAST_MS = 300;
const UNIT_MOST_MS = 700;
const UNIT_UNKNOWN_MS = 500;
const SURE_LEAST_MS = 600;
const SURE_MOST_MS: number = LONGEST_ROUND_TRIP_MS + 100;

/** The unit `d` of the tries at 0, d, 3d, 5d …: what a receipt nearly always takes less than (RFC 6298's RTO), 300 to 700 ms. */
export function unitOf(roundTrip: RoundTrip | undefined): number {
  if (roundTrip === undefined) return UNIT_UNKNOWN_MS;
  return clamp((roundTrip.smoothed + 4 * roundTrip.variation) / 1000, UNIT_LEAST_MS, UNIT_MOST_MS);
}

/** When try `index` (from 0) leaves, after the first. */
export function timeOfTry(index: number, unit: number): number {
  return index === 0 ? 0 : (2 * index - 1) * unit;
}

/** After how long a try without receipt is silent, rather than on its way: the sender's era goes on only then. */
export function silentAfter(roundTrip: RoundTrip | undefined): number {
  if (roundTrip === undefined) return SURE_MOST_MS;
  return clamp((8 * (roundTrip.smoothed + roundTrip.variation)) / 1000, SURE_LEAST_MS, SURE_MOST_MS);
}

/**
 * How long one address family may still answer when the other did, `elapsed` after the start: as long again, within 0.3 s to 3 s.
 */
export function graceAfter(elapsed: number): number {
  return clamp(elapsed, 300, 3_000);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
