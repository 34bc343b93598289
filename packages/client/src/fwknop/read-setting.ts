/** Settings as values of a type, with errors that say where the wrong one stands. */
import { EXIT, PersonError } from '@postern/terminal';
import { type FwknopSetting, isOn, type Settings } from './variables.ts';

/** A setting that is wrong: what was expected, and an example. The value is not shown: it could be a key that slipped in. */
export function wrongSetting(settings: Settings, name: FwknopSetting, expected: string, hint: string): PersonError {
  return new PersonError(`${settings.get(name)?.from ?? name}: ${expected} expected`, { hint, exitCode: EXIT.usage });
}

/** Whether a switch is on. */
export function switchOf(settings: Settings, name: FwknopSetting): boolean {
  return isOn(settings.get(name)?.value ?? 'N');
}

/** A whole number; undefined if not set. @throws PersonError if it is none from `least` to `most` */
export function numberOf(
  settings: Settings,
  name: FwknopSetting,
  what: string,
  least: number,
  most: number,
): number | undefined {
  const text = settings.get(name)?.value;
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw wrongSetting(settings, name, `${what} from ${least} to ${most}`, `for example: ${least === 0 ? most : least}`);
}

/** A port; undefined if not set. */
export function portOf(settings: Settings, name: FwknopSetting): number | undefined {
  return numberOf(settings, name, 'a port', 1, 65_535);
}

/** One of some words, whatever its capitals; undefined if not set. */
export function choiceOf<T extends string>(
  settings: Settings,
  name: FwknopSetting,
  choices: readonly T[],
): T | undefined {
  const text = settings.get(name)?.value.toLowerCase();
  if (text === undefined) return undefined;
  const found = choices.find((choice) => choice === text);
  if (found === undefined)
    throw wrongSetting(settings, name, `one of ${choices.join(', ')}`, `for example: ${choices[0] ?? ''}`);
  return found;
}
