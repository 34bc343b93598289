/** Reads the command line of knockd's `knock`. */
import { EXIT, PersonError } from '@postern/terminal';
import type { SequenceStep } from './sequence.ts';

/** What was typed. */
export interface KnockdLine {
  readonly host: string;
  readonly family: 4 | 6 | undefined;
  /** Milliseconds between knocks. */
  readonly delay: number;
  readonly verbose: boolean;
  readonly steps: readonly SequenceStep[];
}

type Name = 'udp' | 'delay' | 'ipv4' | 'ipv6' | 'verbose' | 'version' | 'help';
const OPTIONS: ReadonlyMap<string, Name> = new Map([
  ['u', 'udp'],
  ['d', 'delay'],
  ['4', 'ipv4'],
  ['6', 'ipv6'],
  ['v', 'verbose'],
  ['V', 'version'],
  ['h', 'help'],
]);

/**
 * Options stand anywhere, short ones together or long. `--udp` makes all knocks UDP, whatever stands behind a port. What `knock` takes for 0 or cuts off
 * (`70000`, `7000:xyz`, `-d abc`) is refused here.
 *
 * @throws PersonError with the exit code of `knock`, 1
 */
export function parseKnockdLine(argv: readonly string[]): KnockdLine | 'version' {
  const typed = new Map<Name, string>();
  const words: string[] = [];
  let family: 4 | 6 | undefined;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    for (const { name, value } of optionsIn(word)) {
      typed.set(name, name === 'delay' ? (value ?? argv[++i] ?? '') : '');
      if (name === 'ipv4') family = 4;
      if (name === 'ipv6') family = 6;
    }
  }
  if (typed.has('help')) throw refuse('HOST PORT[:PROTO] … expected');
  if (typed.has('version')) return 'version';
  const [host, ...ports] = words;
  if (host === undefined || ports.length === 0) throw refuse('a host and a port expected');
  const delay = typed.get('delay') ?? '0';
  if (!/^[0-9]{1,6}$/.test(delay)) throw refuse(`--delay ${delay}: milliseconds expected`);
  const steps = ports.map((text) => stepOf(text, typed.has('udp')));
  return { host, family, delay: Number(delay), verbose: typed.has('verbose'), steps };
}

/** The options in one word: `-vu`, `-d10`, `--delay=10`. */
function optionsIn(word: string): { name: Name; value: string | undefined }[] {
  const [, long, inline] = /^--([^=]+)(?:=(.*))?$/.exec(word) ?? [];
  if (long !== undefined) {
    const name = [...OPTIONS.values()].find((option) => option === long);
    if (name === undefined) throw refuse(`\`${word}\` is no option of knock`);
    return [{ name, value: inline }];
  }
  const found: { name: Name; value: string | undefined }[] = [];
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const name = OPTIONS.get(letter);
    if (name === undefined) throw refuse(`\`-${letter}\` is no option of knock`);
    const rest = word.slice(at + 1);
    const takes = name === 'delay' && rest !== '';
    found.push({ name, value: takes ? rest : undefined });
    if (takes) break;
  }
  return found;
}

function stepOf(text: string, udp: boolean): SequenceStep {
  const [, digits, protocol = 'tcp'] = /^([0-9]{1,5})(?::(tcp|udp))?$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) throw refuse(`${text}: PORT, PORT:tcp or PORT:udp expected`);
  return { protocol: udp || protocol === 'udp' ? 'udp' : 'tcp', port };
}

function refuse(message: string): PersonError {
  return new PersonError(message, {
    hint: 'postern knockd-knock [-u] [-d MS] [-4] [-6] [-v] HOST PORT[:PROTO] …',
    exitCode: EXIT.failed,
  });
}
