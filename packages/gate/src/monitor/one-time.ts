import type { DoorStep } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Door } from '../config/model.ts';
import { type OneTimeLine, parseOneTime, readOneTime, strike, writeOneTime } from '../config/one-time-file.ts';
import type { NumberedSequence, OneTimeSequences } from './door-table.ts';
import type { Log } from './log.ts';

/** The files of one-time sequences: read anew each time, as somebody may have added lines. */
export class OneTimeFiles implements OneTimeSequences {
  readonly #log: Log;
  /** Numbers by file and by what a line says: an editor may move a line, and its number must not become another's. */
  readonly #numbers = new Map<string, Map<string, number>>();
  #last = -1;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The next lines of a door's file. One that says the same keeps its number. */
  of(door: Door): readonly NumberedSequence[] {
    const { oneTime } = door;
    if (oneTime === undefined) return [];
    const lines = parseOneTime(oneTime.file, readOneTime(oneTime.file));
    if (lines.length === 0)
      this.#log('warning', 'a door has no one-time sequences left', { door: door.name, file: oneTime.file });
    const before = this.#numbers.get(oneTime.file) ?? new Map<string, number>();
    const taken = new Set(before.values());
    const heard = lines.slice(0, oneTime.lookAhead).map((line) => ({ line, words: wordsOf(line) }));
    const numbers = new Map(heard.map(({ words }) => [words, before.get(words) ?? this.#free(taken)]));
    this.#numbers.set(oneTime.file, numbers);
    return heard.map(({ line, words }) => ({ sequence: numbers.get(words) ?? 0, steps: stepsOf(line, door) }));
  }

  /** A number of two bytes that nothing has that may still be on its way. */
  #free(taken: ReadonlySet<number>): number {
    do this.#last = (this.#last + 1) & 0xffff;
    while (taken.has(this.#last));
    return this.#last;
  }

  /** A line is struck through on disk before the door opens, and with it those before: their knocks may have been seen on the way. */
  use(door: Door, sequence: number): boolean {
    const { oneTime } = door;
    if (oneTime === undefined) return false;
    const { file } = oneTime;
    const numbers = this.#numbers.get(file);
    try {
      const text = readOneTime(file);
      const used = parseOneTime(file, text).find((line) => numbers?.get(wordsOf(line)) === sequence);
      if (used === undefined) return false;
      writeOneTime(file, strike(file, text, used));
      return true;
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
      this.#log(
        'error',
        `a one-time sequence could not be struck through, so its door did not open: ${error.message}`,
        {
          door: door.name,
          hint: error.hint,
        },
      );
      return false;
    }
  }
}

function wordsOf({ knocks }: OneTimeLine): string {
  return knocks.map(({ protocol, port }) => `${protocol}/${String(port)}`).join(' ');
}

function stepsOf({ knocks }: OneTimeLine, { minGap, maxGap }: Door): DoorStep[] {
  return knocks.map((knock) => ({ ...knock, flagsSet: 0, flagsClear: 0, minGap, maxGap }));
}
