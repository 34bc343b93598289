/** Reads the command line as fwknop's client does: getopt_long of the C library. */
import { EXIT, nearest, PersonError } from '@postern/terminal';
import { CONFIG } from '../options.ts';
import { FWKNOP_OPTIONS, type FwknopOption } from './options.ts';
import type { Assignment } from './variables.ts';

/** What was typed. */
export interface FwknopLine {
  /** What the options set, in their order. */
  readonly assignments: readonly Assignment[];
  /** Values of the options that set nothing, by long name; '' for a flag. The last one counts. */
  readonly words: ReadonlyMap<string, string>;
  /** How often -v came. */
  readonly verbose: number;
  readonly notes: readonly string[];
}

/** With the options of every command. */
const KNOWN: readonly FwknopOption[] = [...FWKNOP_OPTIONS, CONFIG, { name: 'help', short: 'h', help: '' }];
const FORM = '`postern fwknop --help` lists the options';

/**
 * Short ones stand together (`-vT`), with their value behind them or in the next word; long ones may be cut short where that is clear
 * (`--acc tcp/22`). A value is whatever comes, also with a dash in front. An option that comes again replaces the first. Words that are no option are
 * refused, which fwknop passes over.
 *
 * @throws PersonError with EXIT.usage
 */
export function parseFwknopLine(argv: readonly string[]): FwknopLine {
  const assignments: Assignment[] = [];
  const words = new Map<string, string>();
  const notes = new Set<string>();
  let verbose = 0;
  const queue = [...argv];
  const take = (option: FwknopOption, typed: string, inline: string | undefined): void => {
    const value = valueOf(option, typed, inline, queue);
    if (option.refused !== undefined) throw usage(`${typed}: ${option.refused[0]}`, option.refused[1]);
    if (option.secret === true)
      notes.add(`${typed}: \`ps\` and the history of the shell show the key: -n, -G and --stdin do not`);
    if (option.name === 'verbose') verbose++;
    else if (option.sets === undefined) words.set(option.name, value);
    else {
      const [name, prefix] = option.sets;
      assignments.push({ name, value: prefix + value, from: typed });
      if (name.startsWith('GPG_') || name === 'USE_GPG_AGENT')
        assignments.push({ name: 'USE_GPG', value: 'Y', from: typed });
    }
  };
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--' && queue.length === 0) break;
    if (word === '-' || word === '--' || !word.startsWith('-')) {
      throw usage(`\`${word === '--' ? (queue[0] ?? '') : word}\` belongs to no option`, FORM);
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      const name = equals < 0 ? word : word.slice(0, equals);
      take(longOption(name.slice(2)), name, equals < 0 ? undefined : word.slice(equals + 1));
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at);
      const option = KNOWN.find(({ short }) => short === letter);
      if (option === undefined) throw usage(`\`-${letter}\` is no option of fwknop`, FORM);
      const rest = word.slice(at + 1);
      const takesRest = option.value !== undefined && rest !== '';
      take(option, `-${letter}`, takesRest ? rest : undefined);
      if (takesRest) break;
    }
  }
  return { assignments: withAllowed(assignments), words, verbose, notes: [...notes] };
}

function valueOf(option: FwknopOption, typed: string, inline: string | undefined, queue: string[]): string {
  if (option.value === undefined) {
    if (inline !== undefined) throw usage(`${typed} takes no value, but \`${inline}\` came`, FORM);
    return '';
  }
  if (option.inlineOnly === true) return inline ?? '';
  const value = inline ?? queue.shift();
  if (value === undefined) throw usage(`${typed} needs a value (${option.value})`, option.help);
  return value;
}

function longOption(name: string): FwknopOption {
  const named = KNOWN.flatMap((option) => [option.name, ...(option.aliases ?? [])].map((long) => ({ long, option })));
  const exact = named.find(({ long }) => long === name);
  if (exact !== undefined) return exact.option;
  const begun = name === '' ? [] : named.filter(({ long }) => long.startsWith(name));
  const [first] = begun;
  if (first === undefined) {
    const near = nearest(
      name,
      named.map(({ long }) => long),
    );
    throw usage(`\`--${name}\` is no option of fwknop`, near === undefined ? FORM : `did you mean \`--${near}\`?`);
  }
  if (begun.some(({ option }) => option !== first.option)) {
    throw usage(`\`--${name}\` could be ${begun.map(({ long }) => `--${long}`).join(' or ')}`, 'write it out');
  }
  return first.option;
}

/** -a and -s win over -R, wherever they stand. */
function withAllowed(assignments: readonly Assignment[]): Assignment[] {
  const stated = assignments.some(({ name, value }) => name === 'ALLOW_IP' && value !== 'resolve');
  return assignments.filter(({ name, value, from }) => {
    const resolves = name === 'ALLOW_IP' && value === 'resolve' && from !== '-a' && !from.startsWith('--a');
    return !(stated && resolves);
  });
}

function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}
