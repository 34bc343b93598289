/** How far a source is in a sequence without order. One packet at a time, in constant memory. */
import { type DoorSequence, fits, type Knock, sees } from './door.ts';

/** What a source did for a sequence without order. */
export interface Gathering {
  readonly sequence: DoorSequence;
  /** When each step was knocked last, in microseconds, and as the how manieth knock that the sequence saw; -Infinity: not yet. */
  readonly seenAt: number[];
  readonly seenAs: number[];
  /** Which knocks were misses: the last ones, one more than are forgiven. */
  readonly misses: number[];
  knocks: number;
}

/** What became of a sequence with a knock. */
export type Advance = 'open' | 'alive' | 'over';

/** Nothing was knocked yet. */
export function beginGathering(sequence: DoorSequence): Gathering {
  const never = sequence.steps.map(() => -Infinity);
  return { sequence, seenAt: never, seenAs: [...never], misses: [], knocks: 0 };
}

/**
 * One more knock of the source. Open if there is a beginning from which on every step was knocked, in time, with no more misses than are forgiven. The best
 * beginning is the step whose last knock is the oldest.
 */
export function gather(gathering: Gathering, knock: Knock, now: number): Advance {
  const { sequence, seenAt, seenAs, misses } = gathering;
  if (!(now - Math.max(...seenAt) <= sequence.timeout) && gathering.knocks > 0) return 'over';
  if (!sees(sequence, knock)) return 'alive';
  const as = gathering.knocks++;
  const step = sequence.steps.findIndex((one) => fits(one, knock));
  if (step < 0) {
    misses.push(as);
    if (misses.length > sequence.misses + 1) misses.shift();
    return 'alive';
  }
  seenAt[step] = now;
  seenAs[step] = as;
  const began = Math.min(...seenAs);
  const inTime = began >= 0 && now - Math.min(...seenAt) <= sequence.timeout;
  return inTime && misses.filter((miss) => miss > began).length <= sequence.misses ? 'open' : 'alive';
}
