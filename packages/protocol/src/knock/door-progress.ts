/** How far a source is in a sequence. One packet at a time, in constant memory. */
import { type DoorSequence, fits, type Knock, sees } from './door.ts';

/** A sequence that is being knocked in order, from one knock that could be its beginning. */
export interface Attempt {
  readonly sequence: DoorSequence;
  /** When its first step was taken, in microseconds. */
  readonly began: number;
  /** When its last step was taken. */
  last: number;
  /** How many steps were taken: at least 1. */
  taken: number;
  misses: number;
}

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

/** The attempt that begins with a knock now. */
export function begin(sequence: DoorSequence, now: number): Attempt {
  return { sequence, began: now, last: now, taken: 1, misses: 0 };
}

/** Nothing was knocked yet. */
export function beginGathering(sequence: DoorSequence): Gathering {
  const never = sequence.steps.map(() => -Infinity);
  return { sequence, seenAt: never, seenAs: [...never], misses: [], knocks: 0 };
}

/**
 * One more knock of the source. The next step is taken if its time has come; a step that was taken last, and comes again, is forgiven (a SYN is sent
 * again when nobody answers); anything else that the sequence sees is a miss. It is over with one miss too many, or when no packet could be in
 * time any more.
 */
export function advance(attempt: Attempt, knock: Knock, now: number): Advance {
  const { sequence } = attempt;
  const next = sequence.steps[attempt.taken];
  const taken = sequence.steps[attempt.taken - 1];
  if (next === undefined || taken === undefined) return 'over';
  const gap = now - attempt.last;
  if (now - attempt.began > sequence.timeout || gap > next.maxGap) return 'over';
  if (!sees(sequence, knock)) return 'alive';
  if (fits(next, knock) && gap >= next.minGap) {
    attempt.taken++;
    attempt.last = now;
    return attempt.taken === sequence.steps.length ? 'open' : 'alive';
  }
  if (fits(taken, knock)) return 'alive';
  attempt.misses++;
  return attempt.misses > sequence.misses ? 'over' : 'alive';
}

/**
 * The same without order: open if there is a beginning from which on every step was knocked, in time, with no more misses than are forgiven. The best
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

/**
 * The attempts of a source, oldest first, without those that another can stand for: one of the same sequence with as many steps taken that began
 * later, has no more misses, and does not have to wait for its next step's shortest gap. What it stands for opens nothing that it does not open.
 */
export function withoutDominated(attempts: readonly Attempt[], now: number): Attempt[] {
  const fewest = new Map<DoorSequence, number[]>();
  const kept: Attempt[] = [];
  for (const attempt of attempts.toReversed()) {
    const { sequence, taken, misses, last } = attempt;
    let bySteps = fewest.get(sequence);
    if (bySteps === undefined) fewest.set(sequence, (bySteps = []));
    const best = bySteps[taken] ?? Infinity;
    if (best <= misses) continue;
    kept.push(attempt);
    if (now - last >= (sequence.steps[taken]?.minGap ?? 0)) bySteps[taken] = misses;
  }
  return kept.reverse();
}
