/** What knockd hands to a shell, as a list of arguments where that means the same (POSIX.1-2024, XCU 2.2 and 2.9.1). */

/** A command without a shell, or what in it needs one. */
export type Split = { readonly words: readonly string[] } | { readonly needs: string };

/** What has a meaning of its own outside of quotes. */
const OPERATORS: Readonly<Record<string, string>> = {
  '|': 'a pipe (`|`)',
  '&': 'a list or the background (`&`)',
  ';': 'a list (`;`)',
  '<': 'a redirection (`<`)',
  '>': 'a redirection (`>`)',
  '(': 'a subshell (`(`)',
  ')': 'a subshell (`)`)',
  $: 'an expansion (`$`)',
  '`': 'a command substitution',
  '*': 'a file name pattern (`*`)',
  '?': 'a file name pattern (`?`)',
  '[': 'a file name pattern (`[`)',
};

/** Words that begin something that only a shell does. */
const RESERVED = new Set(
  'if then else elif fi do done case esac while until for in { } ! cd exec eval export set unset source . : trap umask ulimit alias read wait exit return'.split(
    ' ',
  ),
);

/**
 * Splits a shell's command line into its words, with quotes and backslashes taken off. Nothing is guessed: whatever could mean something else to a
 * shell is a need for one.
 */
export function splitCommand(line: string): Split {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? '';
    if (character === ' ' || character === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    if (character === "'" || character === '"') {
      const end = line.indexOf(character, at + 1);
      if (end < 0) return { needs: 'a quote that does not end' };
      const inside = line.slice(at + 1, end);
      const active = character === '"' ? /[$`\\]/.exec(inside) : null;
      if (active !== null) return { needs: `an expansion (\`${active[0]}\`) in quotes` };
      word = (word ?? '') + inside;
      at = end;
      continue;
    }
    if (character === '\\') {
      const next = line[++at];
      if (next === undefined) return { needs: 'a backslash at the end' };
      word = (word ?? '') + next;
      continue;
    }
    const operator = OPERATORS[character];
    if (operator !== undefined) return { needs: operator };
    if (character === '~' && word === undefined) return { needs: 'a home directory (`~`)' };
    if (character === '#' && word === undefined) return { needs: 'a comment (`#`)' };
    word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  const [program] = words;
  if (program === undefined) return { needs: 'a command' };
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(program)) return { needs: 'a variable (`NAME=VALUE` before the command)' };
  if (RESERVED.has(program)) return { needs: `\`${program}\`, which only a shell has` };
  return { words };
}

/** A door that a command opens in the host's own firewall: what a grant does by itself. */
export interface IptablesRule {
  readonly action: 'add' | 'delete';
  readonly family: 4 | 6;
  /** As the configuration writes it, `tcp/22`. */
  readonly port: string;
}

/**
 * Recognises `iptables -A|-I|-D CHAIN … -s %IP% -p tcp --dport N … -j ACCEPT`; undefined for anything else, also for a rule that says more
 * than a grant can.
 */
export function recogniseIptables(words: readonly string[]): IptablesRule | undefined {
  const [program = '', ...rest] = words;
  const family = /(?:^|\/)iptables(?:-nft|-legacy)?$/.test(program)
    ? 4
    : /(?:^|\/)ip6tables(?:-nft|-legacy)?$/.test(program)
      ? 6
      : undefined;
  if (family === undefined) return undefined;
  let [action, protocol, port, source, target]: (string | undefined)[] = [];
  for (let at = 0; at < rest.length; at++) {
    const option = rest[at] ?? '';
    const value = rest[at + 1];
    const next = (): string | undefined => {
      at++;
      return value;
    };
    if (option === '-A' || option === '--append' || option === '-I' || option === '--insert') {
      if (next() !== 'INPUT') return undefined;
      action = 'add';
      if (/^[0-9]+$/.test(rest[at + 1] ?? '')) at++;
    } else if (option === '-D' || option === '--delete') {
      if (next() !== 'INPUT') return undefined;
      action = 'delete';
    } else if (option === '-s' || option === '--source' || option === '--src') source = next();
    else if (option === '-p' || option === '--protocol') protocol = next();
    else if (option === '--dport' || option === '--destination-port') port = next();
    else if (option === '-j' || option === '--jump') target = next();
    else if (option === '-m' || option === '--match') {
      if (!['tcp', 'udp', 'state', 'conntrack', 'comment'].includes(next() ?? '')) return undefined;
    } else if (option === '--state' || option === '--ctstate') {
      if (!(next() ?? '').split(',').includes('NEW')) return undefined;
    } else if (option === '--comment') next();
    else if (option === '-w' || option === '--wait' || option === '--syn') {
      if (/^[0-9]+$/.test(rest[at + 1] ?? '') && option !== '--syn') at++;
    } else return undefined;
  }
  if (
    action === undefined ||
    (source !== '%IP%' && source !== '%IP%/32' && source !== '%IP%/128') ||
    target !== 'ACCEPT'
  )
    return undefined;
  if ((protocol !== 'tcp' && protocol !== 'udp') || !/^[1-9][0-9]{0,4}$/.test(port ?? '') || Number(port) > 65_535)
    return undefined;
  return { action: action === 'add' ? 'add' : 'delete', family, port: `${protocol}/${port ?? ''}` };
}
