/** Pieces of the schemas of the configuration's files. */
import * as v from 'valibot';

/**
 * A text that `check` takes; `expected` says in the error what it should have been. A pattern, where one can say it, reaches the
 * JSON Schema of editors too.
 */
export function text(expected: string, check: RegExp | ((value: string) => boolean)): v.GenericSchema<string> {
  return v.pipe(v.string(expected), check instanceof RegExp ? v.regex(check, expected) : v.check(check, expected));
}

/** A whole number in a range, ends included. */
export function whole(from: number, to: number): v.GenericSchema<number> {
  const expected = `a whole number from ${from} to ${to} is expected`;
  return v.pipe(v.number(expected), v.integer(expected), v.minValue(from, expected), v.maxValue(to, expected));
}

/** Seconds, also parts of one, in a range, ends included; at least `step` apart. */
export function duration(from: number, to: number): v.GenericSchema<number> {
  const expected = `a number of seconds from ${from} to ${to} is expected`;
  return v.pipe(v.number(expected), v.minValue(from, expected), v.maxValue(to, expected));
}
