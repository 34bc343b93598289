import type { DoorStep } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Door } from '../config/model.ts';
import { type OneTimeLine, parseOneTime, readOneTime, strike, writeOneTime } from '../config/one-time-file.ts';
import type { NumberedSequence, OneTimeSequences } from './door-table.ts';
import type { Log } from './log.ts';

/** The files of one-time sequences: read anew each time, as somebody may have added lines. */
export class OneTimeFiles implements OneTimeSequences {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The next lines of a door's file, numbered by their line. */
  of(door: Door): readonly NumberedSequence[] {
    const { oneTime } = door;
    if (oneTime === undefined) return [];
    const lines = parseOneTime(oneTime.file, readOneTime(oneTime.file));
    if (lines.length === 0)
      this.#log('warning', 'a door has no one-time sequences left', { door: door.name, file: oneTime.file });
    return lines.slice(0, oneTime.lookAhead).map((line) => ({ sequence: line.number, steps: stepsOf(line, door) }));
  }

  /** A line is struck through on disk before the door opens, and with it those before: their knocks may have been seen on the way. */
  use(door: Door, sequence: number): boolean {
    const { oneTime } = door;
    if (oneTime === undefined) return false;
    const { file, lookAhead } = oneTime;
    try {
      const text = readOneTime(file);
      const used = parseOneTime(file, text)
        .slice(0, lookAhead)
        .find(({ number }) => number === sequence);
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

function stepsOf({ knocks }: OneTimeLine, { minGap, maxGap }: Door): DoorStep[] {
  return knocks.map((knock) => ({ ...knock, flagsSet: 0, flagsClear: 0, minGap, maxGap }));
}
