/**
 * How far sources are in sequences that are knocked in order. One packet at a time, in flat arrays: who only begins sequences, from however many
 * addresses, makes nothing on V8's heap.
 */
import { lazyMemory } from '../lazy-memory.ts';
import { type DoorSequence, fits, type Knock, sees } from './door.ts';
import type { Advance } from './gathering.ts';
import { Lists, NONE } from './lists.ts';

/**
 * Attempts: sequences that are being knocked, each from one knock that could be its beginning. Those of a source, by its place, form a list, the oldest
 * first.
 */
export class Attempts {
  /** Bytes of its arrays when they are full. */
  readonly bytes: number;
  readonly #capacity: number;
  readonly #ofSource: Lists;
  readonly #counts: Int32Array;
  /** By attempt: its sequence, when its first step was taken and its last one, in microseconds, how many were (1 or more), and its misses. */
  readonly #sequences: (DoorSequence | undefined)[] = [];
  readonly #began: Float64Array;
  readonly #last: Float64Array;
  readonly #taken: Uint8Array;
  readonly #misses: Int32Array;
  /** Attempts that are over, each with the next one, and how many there ever were. */
  readonly #nextFree: Int32Array;
  #free = NONE;
  #used = 0;

  /** For so many sources, and so many attempts of all of them. */
  constructor(sources: number, capacity: number) {
    this.#capacity = capacity;
    this.#ofSource = new Lists(sources, capacity);
    this.#counts = new Int32Array(lazyMemory(4 * sources));
    this.#began = new Float64Array(lazyMemory(8 * capacity));
    this.#last = new Float64Array(lazyMemory(8 * capacity));
    this.#taken = new Uint8Array(lazyMemory(capacity));
    this.#misses = new Int32Array(lazyMemory(4 * capacity));
    this.#nextFree = new Int32Array(lazyMemory(4 * capacity));
    this.bytes = [this.#counts, this.#began, this.#last, this.#taken, this.#misses, this.#nextFree].reduce(
      (sum, { byteLength }) => sum + byteLength,
      this.#ofSource.bytes,
    );
  }

  /** How many a source has. */
  count(source: number): number {
    return this.#counts[source] ?? 0;
  }

  /** A source begins a sequence with a knock now. @throws RangeError if there are as many attempts as there may be */
  begin(source: number, sequence: DoorSequence, now: number): void {
    const attempt = this.#takeFree();
    this.#sequences[attempt] = sequence;
    this.#began[attempt] = this.#last[attempt] = now;
    this.#taken[attempt] = 1;
    this.#misses[attempt] = 0;
    this.#ofSource.append(source, attempt);
    this.#counts[source] = this.count(source) + 1;
  }

  /** One more knock of a source. What it opened is added to `opened`, and over; so is what is not among `live`. */
  advance(source: number, knock: Knock, now: number, live: ReadonlySet<DoorSequence>, opened: Set<DoorSequence>): void {
    this.#keep(source, (attempt, sequence) => {
      const became = live.has(sequence) ? this.#advance(attempt, sequence, knock, now) : 'over';
      if (became === 'open') opened.add(sequence);
      return became === 'alive';
    });
    // All that an opened sequence was begun with is used up.
    if (opened.size > 0) this.#keep(source, (_, sequence) => !opened.has(sequence));
  }

  /**
   * Ends those that another can stand for: one of the same sequence with as many steps taken that began later, has no more misses, and does not have to
   * wait for its next step's shortest gap. What it stands for opens nothing that it does not open.
   */
  endDominated(source: number, now: number): void {
    if (this.count(source) < 2) return;
    const fewest = new Map<DoorSequence, number[]>();
    for (let attempt = this.#ofSource.last(source), before; attempt !== NONE; attempt = before) {
      before = this.#ofSource.before(attempt);
      const sequence = this.#sequences[attempt];
      if (sequence === undefined) continue;
      const taken = this.#taken[attempt] ?? 0;
      const misses = this.#misses[attempt] ?? 0;
      let bySteps = fewest.get(sequence);
      if (bySteps === undefined) fewest.set(sequence, (bySteps = []));
      if ((bySteps[taken] ?? Infinity) <= misses) this.#end(source, attempt);
      else if (now - (this.#last[attempt] ?? 0) >= (sequence.steps[taken]?.minGap ?? 0)) bySteps[taken] = misses;
    }
  }

  /** Ends all of a source. */
  clear(source: number): void {
    this.#keep(source, () => false);
  }

  /**
   * The next step is taken if its time has come; a step that was taken last, and comes again, is forgiven (a SYN is sent again when nobody answers);
   * anything else that the sequence sees is a miss. It is over with one miss too many, or when no packet could be in time any more.
   */
  #advance(attempt: number, sequence: DoorSequence, knock: Knock, now: number): Advance {
    const steps = this.#taken[attempt] ?? 0;
    const next = sequence.steps[steps];
    const taken = sequence.steps[steps - 1];
    if (next === undefined || taken === undefined) return 'over';
    const gap = now - (this.#last[attempt] ?? 0);
    if (now - (this.#began[attempt] ?? 0) > sequence.timeout || gap > next.maxGap) return 'over';
    if (!sees(sequence, knock)) return 'alive';
    if (fits(next, knock) && gap >= next.minGap) {
      this.#taken[attempt] = steps + 1;
      this.#last[attempt] = now;
      return steps + 1 === sequence.steps.length ? 'open' : 'alive';
    }
    if (fits(taken, knock)) return 'alive';
    const misses = (this.#misses[attempt] ?? 0) + 1;
    this.#misses[attempt] = misses;
    return misses > sequence.misses ? 'over' : 'alive';
  }

  /** Ends those of a source that are not to be kept; asks from the oldest on. */
  #keep(source: number, kept: (attempt: number, sequence: DoorSequence) => boolean): void {
    for (let attempt = this.#ofSource.first(source), after; attempt !== NONE; attempt = after) {
      after = this.#ofSource.after(attempt);
      const sequence = this.#sequences[attempt];
      if (sequence === undefined || !kept(attempt, sequence)) this.#end(source, attempt);
    }
  }

  #end(source: number, attempt: number): void {
    this.#ofSource.take(source, attempt);
    this.#counts[source] = this.count(source) - 1;
    this.#sequences[attempt] = undefined;
    this.#nextFree[attempt] = this.#free;
    this.#free = attempt;
  }

  #takeFree(): number {
    const attempt = this.#free;
    if (attempt !== NONE) {
      this.#free = this.#nextFree[attempt] ?? NONE;
      return attempt;
    }
    if (this.#used >= this.#capacity) throw new RangeError('more attempts than there may be');
    return this.#used++;
  }
}
