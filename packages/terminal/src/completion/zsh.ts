import type { Offer, Program } from '../command.ts';
import { firstWords, groups, offeredCommands, type OfferedCommand, type OfferedOption, quoted } from './model.ts';

/** Text within a specification of `_arguments` or `_describe`. */
function escaped(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, '\\$&');
}

function action(name: string, offer: Offer | undefined): string {
  if (offer === undefined) return ' ';
  if (offer === 'files') return '_files';
  if (offer === 'directories') return '_files -/';
  if ('command' in offer) return ` _${name}_column ${quoted(offer.command)} ${offer.column}`;
  return `(${offer.join(' ')})`;
}

function optionSpecs(name: string, { long, short, value, offer, multiple, help }: OfferedOption): string[] {
  const spellings = [...(short === undefined ? [] : [`-${short}`]), `--${long}`];
  const before = multiple ? '*' : spellings.length > 1 ? `(${spellings.join(' ')})` : '';
  const behind = value === undefined ? '' : `:${escaped(value)}:${action(name, offer)}`;
  return spellings.map((spelling) => {
    const joined = value === undefined ? '' : spelling.startsWith('--') ? '=' : '+';
    return quoted(`${before}${spelling}${joined}[${escaped(help)}]${behind}`);
  });
}

function commandCase(name: string, command: OfferedCommand): string {
  const { options, places, takesRest } = command;
  const specs = [
    ...options.flatMap((option) => optionSpecs(name, option)),
    ...places.map(({ name: place, optional, offer }, i) =>
      quoted(`${i + 1}:${optional ? ':' : ''}${escaped(place)}:${action(name, offer)}`),
    ),
  ];
  // What follows the last place belongs to another program.
  if (takesRest) specs.push(quoted('*:: : '));
  const flags = takesRest ? "-s -S -A '-*'" : '-s -S';
  return [
    `    ${quoted(command.name)})`,
    `      _arguments ${flags} \\`,
    specs.map((spec) => `        ${spec}`).join(' \\\n'),
    '      ;;',
  ].join('\n');
}

function described(words: Iterable<readonly [string, string]>, indent: string): string {
  return [...words].map(([word, help]) => `${indent}${quoted(`${escaped(word)}:${escaped(help)}`)}`).join('\n');
}

/** The completion of zsh: a file of \`fpath\` by the name of \`_NAME\`, or to be sourced. */
export function zshCompletion(program: Program): string {
  const { name } = program;
  const commands = offeredCommands(program);
  const first = firstWords(commands);
  const seconds = [...groups(commands)].map(([word, group]) => {
    const words = group.map(({ second = '', help }) => [second, help] as const);
    return `      ${quoted(word)})
        words_of=(
${described(words, '          ')}
        )
        _describe -t commands command words_of
        ;;`;
  });
  const twoWords = commands.filter(({ second }) => second !== undefined);
  return `#compdef ${name}
# Completion of ${name} for zsh, made by \`${name} completion zsh\`.

# _${name}_column COMMAND N: column N of what the command lists.
_${name}_column() {
  local -a found
  found=(\${(f)"$(${name} \${=1} 2>/dev/null | awk -v n="$2" 'NR > 1 { print $n }')"})
  compadd -a found
}

_${name}() {
  local command=$words[2] ret=1
  local -a words_of
  if (( CURRENT == 2 )); then
    words_of=(
${described(first, '      ')}
    )
    _describe -t commands command words_of && ret=0
    _arguments '(- *)'{-h,--help}'[show the commands]' '(- *)'{-V,--version}'[show the version]' && ret=0
    return ret
  fi
  if (( CURRENT == 3 )); then
    case $command in
${[
  ...seconds,
  `      'help')
        words_of=(
${described(
  [...first].filter(([word]) => word !== 'help'),
  '          ',
)}
        )
        _describe -t commands command words_of
        return
        ;;`,
].join('\n')}
    esac
  elif [[ " ${twoWords.map((it) => it.name.replace(' ', '/')).join(' ')} " == *" $words[2]/$words[3] "* ]]; then
    command="$words[2] $words[3]"
    shift words
    (( CURRENT-- ))
  fi
  shift words
  (( CURRENT-- ))
  case $command in
${commands.map((command) => commandCase(name, command)).join('\n')}
  esac
}

if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}
