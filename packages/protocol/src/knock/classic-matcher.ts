/**
 * Doors that open to a sequence of knocks. Unlike knockd's they see every port, so that a scan makes misses; what one source does is
 * nothing to another; and every knock that could begin a sequence is tried as its beginning, so that nobody has to wait after a mistake.
 */
import type { UnixMicros } from '../brand.ts';
import {
  advance,
  type Attempt,
  begin,
  beginGathering,
  gather,
  type Gathering,
  withoutDominated,
} from './door-progress.ts';
import { checkSequence, type DoorSequence, fits, type Knock, type KnockProtocol, sees } from './door.ts';
import { SourceTable } from './source-table.ts';

/** A source finished a sequence. */
export interface DoorEvent {
  readonly door: number;
  readonly sequence: number;
}

/** How much a {@link ClassicMatcher} keeps. */
export interface ClassicLimits {
  /** Sources that have begun a sequence: about 800 bytes for each. */
  readonly sources: number;
  /** Beginnings of sequences, of all sources together: about 150 bytes for each. One without order counts for more. */
  readonly attempts: number;
  /** Beginnings of one source. When there are as many, what it began goes on, and it begins nothing else. */
  readonly attemptsOfSource: number;
}

/** The defaults: at most 75 MB, taken as sources come. */
export const CLASSIC_LIMITS: ClassicLimits = { sources: 65_536, attempts: 131_072, attemptsOfSource: 128 };

interface Progress {
  attempts: Attempt[];
  gatherings: Gathering[];
  newest: number;
  weight: number;
}

const NO_EVENTS: readonly DoorEvent[] = [];
const PROTOCOLS: Readonly<Record<KnockProtocol, number>> = { tcp: 0, udp: 1, icmp: 2, icmpv6: 3 };

/**
 * Knocks in, doors out.
 *
 * A sequence opens with a knock if there is an earlier knock of the same source, its beginning, from which on every knock that the sequence
 * {@link sees} is its next step in time, the step before again, or one of the misses that are forgiven. An opened sequence begins anew: no knock
 * counts for it twice. A time before that of an earlier knock of the source (the clock went back) forgets the source.
 */
export class ClassicMatcher {
  readonly #limits: ClassicLimits;
  /** By their content, so that one that stays the same stays the same object. */
  #sequences = new Map<string, DoorSequence>();
  #live = new Set<DoorSequence>();
  /** Sequences by the protocol and port that they can begin with. */
  readonly #beginnings = new Map<number, DoorSequence[]>();
  readonly #sources: SourceTable;
  readonly #progress: (Progress | undefined)[] = [];
  #weight = 0;

  /** @throws RangeError if one source may begin more than all */
  constructor(limits: ClassicLimits = CLASSIC_LIMITS) {
    if (limits.attemptsOfSource > limits.attempts) throw new RangeError('one source may begin more than all together');
    this.#limits = limits;
    this.#sources = new SourceTable(limits.sources, (place) => {
      this.#weight -= this.#progress[place]?.weight ?? 0;
      this.#progress[place] = undefined;
    });
  }

  /** How many sources are remembered. */
  get sources(): number {
    return this.#sources.size;
  }

  /** How many beginnings are remembered. */
  get attempts(): number {
    return this.#weight;
  }

  /**
   * Takes these sequences in place of all others. Progress in those that stay the same, with their numbers, is kept.
   *
   * @throws RangeError if one is none; then nothing changes
   */
  setSequences(sequences: readonly DoorSequence[]): void {
    sequences.forEach(checkSequence);
    const before = this.#sequences;
    this.#sequences = new Map(
      sequences.map((sequence) => {
        const key = JSON.stringify(sequence);
        return [key, before.get(key) ?? sequence];
      }),
    );
    this.#live = new Set(this.#sequences.values());
    this.#beginnings.clear();
    for (const sequence of this.#live) {
      for (const { protocol, port } of sequence.anyOrder ? sequence.steps : sequence.steps.slice(0, 1)) {
        const key = beginningKey(protocol, port);
        const others = this.#beginnings.get(key);
        if (others === undefined) this.#beginnings.set(key, [sequence]);
        else others.push(sequence);
      }
    }
  }

  /** One knock. Takes time for what its source has begun and for the sequences that begin with it, however many sources there are. */
  knock(knock: Knock, now: UnixMicros): readonly DoorEvent[] {
    const beginnings = this.#beginnings.get(beginningKey(knock.protocol, knock.port)) ?? [];
    let place = this.#sources.find(knock.source);
    if (place === undefined && !beginnings.some((sequence) => begins(sequence, knock))) return NO_EVENTS;
    place ??= this.#sources.add(knock.source);
    const progress = (this.#progress[place] ??= { attempts: [], gatherings: [], newest: now, weight: 0 });
    if (now < progress.newest) Object.assign(progress, { attempts: [], gatherings: [] });
    progress.newest = now;
    const opened = progress.weight === 0 ? new Set<DoorSequence>() : this.#advance(progress, knock, now);
    this.#begin(progress, beginnings, opened, knock, now);
    this.#weigh(place, progress);
    return opened.size === 0 ? NO_EVENTS : [...opened].map(({ door, sequence }) => ({ door, sequence }));
  }

  /** What was begun goes on; the sequences that it opened. */
  #advance(progress: Progress, knock: Knock, now: number): Set<DoorSequence> {
    const opened = new Set<DoorSequence>();
    const goesOn = (sequence: DoorSequence, to: 'open' | 'alive' | 'over'): boolean => {
      if (to === 'open') opened.add(sequence);
      return to === 'alive';
    };
    const live = <T extends { sequence: DoorSequence }>(all: T[], step: (one: T) => 'open' | 'alive' | 'over'): T[] =>
      all
        .filter((one) => this.#live.has(one.sequence) && goesOn(one.sequence, step(one)))
        .filter(({ sequence }) => !opened.has(sequence));
    progress.attempts = live(progress.attempts, (attempt) => advance(attempt, knock, now));
    progress.gatherings = live(progress.gatherings, (gathering) => gather(gathering, knock, now));
    return opened;
  }

  #begin(
    progress: Progress,
    beginnings: readonly DoorSequence[],
    opened: Set<DoorSequence>,
    knock: Knock,
    now: number,
  ): void {
    for (const sequence of beginnings) {
      if (opened.has(sequence) || !begins(sequence, knock)) continue;
      if (sequence.steps.length === 1) opened.add(sequence);
      else if (progress.attempts.length + progress.gatherings.length >= this.#limits.attemptsOfSource) continue;
      else if (!sequence.anyOrder) progress.attempts.push(begin(sequence, now));
      else if (!progress.gatherings.some((gathering) => gathering.sequence === sequence)) {
        const gathering = beginGathering(sequence);
        gather(gathering, knock, now);
        progress.gatherings.push(gathering);
      }
    }
    if (progress.attempts.length > 1) progress.attempts = withoutDominated(progress.attempts, now);
  }

  /** Forgets a source without progress, and others when all have begun too much. */
  #weigh(place: number, progress: Progress): void {
    const weight = progress.gatherings.reduce(
      (sum, { sequence }) => sum + weightOf(sequence),
      progress.attempts.length,
    );
    this.#weight += weight - progress.weight;
    progress.weight = weight;
    if (weight === 0) this.#sources.remove(place);
    while (this.#weight > this.#limits.attempts && this.#sources.size > 1) this.#sources.evict();
  }
}

function begins(sequence: DoorSequence, knock: Knock): boolean {
  const { steps, anyOrder } = sequence;
  const [first] = steps;
  if (!sees(sequence, knock) || first === undefined) return false;
  return fits(first, knock) || (anyOrder && steps.some((step) => fits(step, knock)));
}

/** A sequence without order keeps two times for each step, and one for each miss. */
function weightOf({ steps, misses }: DoorSequence): number {
  return 1 + Math.ceil((2 * steps.length + misses) / 8);
}

function beginningKey(protocol: KnockProtocol, port: number): number {
  return PROTOCOLS[protocol] * 0x1_0000 + port;
}
