/**
 * Doors that open to a sequence of knocks. Unlike knockd's they see every port, so that a scan makes misses; what one source does is
 * nothing to another; and every knock that could begin a sequence is tried as its beginning, so that nobody has to wait after a mistake.
 */
import type { UnixMicros } from '../brand.ts';
import { lazyMemory } from '../lazy-memory.ts';
import { Attempts } from './attempts.ts';
import { checkSequence, type DoorSequence, fits, type Knock, type KnockProtocol, sees } from './door.ts';
import { beginGathering, gather, type Gathering } from './gathering.ts';
import { SourceTable } from './source-table.ts';

/** A source finished a sequence. */
export interface DoorEvent {
  readonly door: number;
  readonly sequence: number;
}

/** How much a {@link ClassicMatcher} keeps. */
export interface ClassicLimits {
  /** Sources that have begun a sequence: 128 bytes for each. */
  readonly sources: number;
  /** Beginnings of sequences, of all sources together: 41 bytes for each. One without order counts for more, and takes up to 330 bytes for each that it counts for. */
  readonly attempts: number;
  /** Beginnings of one source. When there are as many, what it began goes on, and it begins nothing else. */
  readonly attemptsOfSource: number;
}

/** The defaults: at most 14 MB, taken as sources come, and 57 MB with doors without order. */
export const CLASSIC_LIMITS: ClassicLimits = { sources: 65_536, attempts: 131_072, attemptsOfSource: 128 };

const NO_EVENTS: readonly DoorEvent[] = [];
const NO_SEQUENCES: readonly DoorSequence[] = [];
const PROTOCOLS: Readonly<Record<KnockProtocol, number>> = { tcp: 0, udp: 1, icmp: 2, icmpv6: 3 };

/**
 * Knocks in, doors out.
 *
 * A sequence opens with a knock if there is an earlier knock of the same source, its beginning, from which on every knock that the sequence
 * {@link sees} is its next step in time, the step before again, or one of the misses that are forgiven. An opened sequence begins anew: no knock
 * counts for it twice. A time before that of an earlier knock of the source (the clock went back) forgets the source.
 */
export class ClassicMatcher {
  /** Bytes that it takes beside V8's heap when as much is begun as may be. */
  readonly bytes: number;
  readonly #limits: ClassicLimits;
  /** By their content, so that one that stays the same stays the same object. */
  #sequences = new Map<string, DoorSequence>();
  #live = new Set<DoorSequence>();
  /** Sequences by the protocol and port that they can begin with. */
  readonly #beginnings = new Map<number, DoorSequence[]>();
  readonly #sources: SourceTable;
  /** What each source has begun, by its place: in order, and without. Few doors are without order, and so what is of them are objects. */
  readonly #attempts: Attempts;
  readonly #gatherings = new Map<number, Gathering[]>();
  /** Time of its last knock, and what it counts for; what all count for. */
  readonly #newest: Float64Array;
  readonly #weights: Int32Array;
  #weight = 0;
  /** What the knock that is looked at opened. */
  readonly #opened = new Set<DoorSequence>();

  /** @throws RangeError if one source may begin more than all */
  constructor(limits: ClassicLimits = CLASSIC_LIMITS) {
    if (limits.attemptsOfSource > limits.attempts) throw new RangeError('one source may begin more than all together');
    this.#limits = limits;
    this.#sources = new SourceTable(limits.sources, (place) => {
      this.#forget(place);
    });
    // Others have to go only after a source began what it may.
    this.#attempts = new Attempts(limits.sources, limits.attempts + limits.attemptsOfSource);
    this.#newest = new Float64Array(lazyMemory(8 * limits.sources));
    this.#weights = new Int32Array(lazyMemory(4 * limits.sources));
    this.bytes = this.#sources.bytes + this.#attempts.bytes + this.#newest.byteLength + this.#weights.byteLength;
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
    const beginnings = this.#beginnings.get(beginningKey(knock.protocol, knock.port)) ?? NO_SEQUENCES;
    let place = this.#sources.find(knock.source);
    if (place === undefined && !beginnings.some((sequence) => begins(sequence, knock))) return NO_EVENTS;
    if (place === undefined) place = this.#sources.add(knock.source);
    else if (now < (this.#newest[place] ?? 0)) this.#forget(place);
    this.#newest[place] = now;
    this.#advance(place, knock, now);
    this.#begin(place, beginnings, knock, now);
    this.#weigh(place);
    if (this.#opened.size === 0) return NO_EVENTS;
    const events = [...this.#opened].map(({ door, sequence }) => ({ door, sequence }));
    this.#opened.clear();
    return events;
  }

  /** What was begun goes on. */
  #advance(place: number, knock: Knock, now: number): void {
    this.#attempts.advance(place, knock, now, this.#live, this.#opened);
    const gatherings = this.#gatherings.get(place);
    if (gatherings === undefined) return;
    this.#gather(
      place,
      gatherings.filter((gathering) => {
        const became = this.#live.has(gathering.sequence) ? gather(gathering, knock, now) : 'over';
        if (became === 'open') this.#opened.add(gathering.sequence);
        return became === 'alive';
      }),
    );
  }

  #begin(place: number, beginnings: readonly DoorSequence[], knock: Knock, now: number): void {
    for (const sequence of beginnings) {
      if (this.#opened.has(sequence) || !begins(sequence, knock)) continue;
      const gatherings = this.#gatherings.get(place) ?? [];
      if (sequence.steps.length === 1) this.#opened.add(sequence);
      else if (this.#attempts.count(place) + gatherings.length >= this.#limits.attemptsOfSource) continue;
      else if (!sequence.anyOrder) this.#attempts.begin(place, sequence, now);
      else if (!gatherings.some((gathering) => gathering.sequence === sequence)) {
        const gathering = beginGathering(sequence);
        gather(gathering, knock, now);
        this.#gather(place, [...gatherings, gathering]);
      }
    }
    this.#attempts.endDominated(place, now);
  }

  #gather(place: number, gatherings: Gathering[]): void {
    if (gatherings.length > 0) this.#gatherings.set(place, gatherings);
    else this.#gatherings.delete(place);
  }

  /** Forgets a source without progress, and others when all have begun too much. */
  #weigh(place: number): void {
    let weight = this.#attempts.count(place);
    for (const { sequence } of this.#gatherings.get(place) ?? []) weight += weightOf(sequence);
    this.#weight += weight - (this.#weights[place] ?? 0);
    this.#weights[place] = weight;
    if (weight === 0) this.#sources.remove(place);
    while (this.#weight > this.#limits.attempts && this.#sources.size > 1) this.#sources.evict();
  }

  /** Forgets what a source has begun. */
  #forget(place: number): void {
    this.#attempts.clear(place);
    this.#gatherings.delete(place);
    this.#weight -= this.#weights[place] ?? 0;
    this.#weights[place] = 0;
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
