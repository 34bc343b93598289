/** Asks the real shells what they offer. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import type { Program } from '../command.ts';
import { completion } from '../completion.ts';
import type { Shell } from '../shell.ts';

/** Each reads lines from standard input and prints what is offered at the end of each: a line for each word, then an empty line. */
const DRIVERS: Readonly<Record<Shell, (script: string, call: string) => string>> = {
  bash: (script, call) => `source ${script}
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "\${line//=/ = }"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  ${call}
  [[ \${#COMPREPLY[@]} == 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"
  echo
done`,
  // Completion runs in the line editor only, so it gets a terminal; what would be shown is written to a file as well.
  // A long list is shown without asking: the next word would be taken for the answer.
  zsh: (script) => `zmodload zsh/zpty
offered=${script}.offered
zpty z zsh -f -i
zpty -w z 'PS1= RPS1= LISTMAX=9999; stty -echo; autoload -Uz compinit; compinit -u -D; source ${script}; offered='$offered
zpty -w z 'compadd() { local -a hits; if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then builtin compadd -A hits "$@"; (( $#hits )) && print -rl -- $hits >> $offered; fi; builtin compadd "$@" }'
zpty -w z 'tell() { zle complete-word; print -n "@@""done@@" }; zle -N tell; bindkey "^I" tell; bindkey "^U" kill-whole-line; print "@@""ready@@"'
zpty -r z out '*@@ready@@*'
while IFS= read -r line; do
  : > $offered
  zpty -n -w z "$line"$'\\t'
  zpty -r z out '*@@done@@*'
  cat $offered
  echo
  zpty -n -w z $'\\025'
done
zpty -d z`,
  fish: (script) => `source ${script}
while read -l line
  complete -C "$line"
  echo
end`,
};

/** Whether a shell is there; `CI=true` makes its absence an error. */
export function shellMissing(shell: Shell): string | false {
  if (spawnSync(shell, ['-c', 'exit']).status === 0) return false;
  if (process.env['CI'] === 'true') throw new Error(`CI=true, but there is no ${shell}`);
  return `there is no ${shell}`;
}

/** What a shell offers at the end of each line, sorted, each word once. `lists` is what the program's own lists print. */
export function offered(
  program: Program,
  shell: Shell,
  lines: readonly string[],
  lists = '',
): readonly (readonly string[])[] {
  const directory = mkdtempSync(join(tmpdir(), 'postern-completion-'));
  try {
    const script = join(directory, 'completion');
    writeFileSync(script, completion(program, shell).text);
    writeFileSync(join(directory, program.name), `#!/bin/sh\ncat <<'E'\n${lists}\nE\n`, { mode: 0o755 });
    writeFileSync(join(directory, 'file.txt'), '');
    const PATH = `${directory}${delimiter}${process.env['PATH'] ?? ''}`;
    const flags = { bash: ['--norc'], zsh: ['-f'], fish: ['--no-config'] }[shell];
    const ran = spawnSync(shell, [...flags, '-c', DRIVERS[shell](script, `_${program.name}`)], {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH, HOME: directory, TERM: 'dumb' },
      input: lines.map((line) => `${line}\n`).join(''),
      timeout: 60_000,
    });
    if (ran.status !== 0 || ran.stderr !== '') throw new Error(`${shell}: ${ran.signal ?? ''} ${ran.stderr}`);
    const groups: string[][] = [[]];
    for (const word of ran.stdout.split('\n')) {
      if (word === '') groups.push([]);
      else groups.at(-1)?.push(word.split('\t')[0] ?? '');
    }
    return lines.map((_, i) => [...new Set(groups[i])].sort());
  } finally {
    rmSync(directory, { recursive: true });
  }
}
