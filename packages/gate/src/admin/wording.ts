import type { IsoTime } from './protocol.ts';

/** A time for people: `2026-11-22 15:00:00 UTC`. */
export function showTime(time: IsoTime): string {
  return `${time.slice(0, 19).replace('T', ' ')} UTC`;
}

/** A time, or a dash where there is none. */
export function showOptionalTime(time: IsoTime | undefined): string {
  return time === undefined ? '-' : showTime(time);
}

/** A number of things: `1 device`, `3 devices`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** More names than this are counted, not listed. */
const LISTED = 5;

/** Names in a row, the first few of many. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).join(', ');
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}
