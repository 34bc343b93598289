/** Reads the command line of `postern ssh` as ssh itself reads its own, without understanding more of it than it must. */
import { EXIT, nearest, type Option, PersonError } from '@postern/terminal';

/** Options of ssh (OpenSSH 9.2) that take a value. */
const WITH_VALUE = 'BbcDEeFIiJLlmOopQRSWw';
/** Options that make ssh do something without connecting. */
const NO_CONNECTION = 'GOQV';

/** What was typed after `postern ssh`. */
export interface SshLine {
  /** Our own options. */
  readonly flags: ReadonlySet<string>;
  readonly values: Readonly<Record<string, string>>;
  /** Options for ssh, before and after the destination, but for -4 and -6. */
  readonly options: readonly string[];
  /** `[user@]host` or `ssh://[user@]host[:port]` as typed; undefined if there is none. */
  readonly destination: string | undefined;
  /** The host within it. */
  readonly host: string | undefined;
  readonly family: 4 | 6 | undefined;
  /** The remote command and its arguments. */
  readonly command: readonly string[];
  /** ssh will connect nowhere (`-V`, `-G`, `-Q`, `-O`). */
  readonly offline: boolean;
}

/**
 * Reads it. Long options are ours, as ssh has none, and come before the destination; short ones are ssh's, before or after it.
 *
 * @throws PersonError with the exit code for usage
 */
export function parseSshLine(argv: readonly string[], own: readonly Option[]): SshLine {
  const flags = new Set<string>();
  const values: Record<string, string> = {};
  const options: string[] = [];
  let destination: string | undefined;
  let family: 4 | 6 | undefined;
  let offline = false;
  let i = 0;
  for (; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      i++;
      // After it comes the destination, if there was none, and then the command.
      if (destination === undefined) destination = argv[i++];
      break;
    }
    if (word.startsWith('--') && destination === undefined) {
      const [name, inline] = splitOnce(word.slice(2), '=');
      const option = own.find((candidate) => candidate.name === name);
      if (option === undefined) throw unknownOption(name, own);
      if (option.value === undefined) flags.add(name);
      else values[name] = inline ?? argv[++i] ?? missing(name, option.value);
      continue;
    }
    if (!word.startsWith('-') || word === '-') {
      if (destination !== undefined) break;
      destination = word;
      continue;
    }
    const read = readCluster(word);
    if (read.family !== undefined) family = read.family;
    offline ||= read.offline;
    if (read.rest !== '-') options.push(read.rest);
    if (read.wantsValue && i + 1 < argv.length) options.push(argv[++i] ?? '');
  }
  const host = destination === undefined ? undefined : hostOf(destination);
  return { flags, values, options, destination, host, family, command: argv.slice(i), offline };
}

/** One word of short options (`-vNT`, `-p22`, `-4L`): what of it is for ssh, and whether the next word is the value of its last option. */
function readCluster(word: string): { rest: string; family: 4 | 6 | undefined; offline: boolean; wantsValue: boolean } {
  let rest = '-';
  let family: 4 | 6 | undefined;
  let offline = false;
  for (let j = 1; j < word.length; j++) {
    const letter = word.charAt(j);
    offline ||= NO_CONNECTION.includes(letter);
    if (letter === '4' || letter === '6') {
      family = letter === '4' ? 4 : 6;
      continue;
    }
    rest += letter;
    if (WITH_VALUE.includes(letter)) {
      const value = word.slice(j + 1);
      return { rest: rest + value, family, offline, wantsValue: value === '' };
    }
  }
  return { rest, family, offline, wantsValue: false };
}

function hostOf(destination: string): string {
  const uri = /^ssh:\/\/(?:[^/]*@)?(\[[^\]]*\]|[^/:]*)/.exec(destination)?.[1];
  return uri ?? destination.slice(destination.lastIndexOf('@') + 1);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function unknownOption(name: string, own: readonly Option[]): PersonError {
  const near = nearest(
    name,
    own.map((option) => option.name),
  );
  return new PersonError(`\`--${name}\` is not an option of \`postern ssh\``, {
    hint: near === undefined ? '`postern ssh --help` lists the options' : `did you mean \`--${near}\`?`,
    exitCode: EXIT.usage,
  });
}

function missing(name: string, value: string): never {
  throw new PersonError(`\`--${name}\` needs a value (${value})`, { exitCode: EXIT.usage });
}
