import { EXIT, PersonError, type Option, type Parsed } from '@postern/terminal';

/** Where the configuration is when nothing else is said; config/load.ts has it too, but loading that takes time. */
const CONFIG_FILE = '/etc/postern/posternd.toml';

/** `--config`, of every command. */
export const CONFIG: Option = {
  name: 'config',
  short: 'c',
  value: 'FILE',
  help: `the configuration; ${CONFIG_FILE} if not given`,
};

/** `--json`, of every command that answers something. */
export const JSON_OUTPUT: Option = { name: 'json', help: 'answer with one JSON document, errors too' };

/** `--fwknop`, of the commands that look at what a daemon runs. */
export const WITH_FWKNOP: Option = {
  name: 'fwknop',
  value: 'DIR',
  help: 'with the stanzas of this directory, as `posternd run --fwknop DIR`; a running daemon says it by itself',
};

/** The configuration's path. */
export function configFile(parsed: Parsed): string {
  return parsed.values['config'] ?? CONFIG_FILE;
}

/** What a command line of ours needs behind it to mean the same configuration: nothing, or ` --config FILE`. */
export function withConfig(file: string): string {
  return file === CONFIG_FILE ? '' : ` --config ${file}`;
}

/**
 * A whole number that was typed.
 *
 * @throws PersonError with EXIT.usage for anything else than a number in [from, to]
 */
export function wholeNumber(parsed: Parsed, option: string, from: number, to: number): number | undefined {
  const typed = parsed.values[option];
  if (typed === undefined) return undefined;
  const value = /^\d{1,9}$/.test(typed) ? Number(typed) : NaN;
  if (value >= from && value <= to) return value;
  throw new PersonError(`\`--${option}\` is a whole number from ${from} to ${to}, but \`${typed}\` came`, {
    exitCode: EXIT.usage,
  });
}

/**
 * An id, or the first digits of one.
 *
 * @throws PersonError with EXIT.usage for anything else than 6 to `digits` hexadecimal digits
 */
export function idArgument(parsed: Parsed, digits: number, where: string): string {
  const typed = (parsed.arguments['id'] ?? '').toLowerCase();
  if (typed.length <= digits && /^[0-9a-f]{6,}$/.test(typed)) return typed;
  throw new PersonError(
    `an id is ${digits} hexadecimal digits, or the first 6 or more of them, but \`${typed}\` came`,
    {
      hint: `\`${where}\` shows the ids`,
      exitCode: EXIT.usage,
    },
  );
}
