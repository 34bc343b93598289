import type { Offer, Program } from '../command.ts';
import { firstWords, groups, offeredCommands, type OfferedCommand, quoted } from './model.ts';

/** Shell code that sets `kind` and `words` for an offer. */
function assignments(offer: Offer | undefined): string {
  if (offer === undefined) return 'kind=nothing';
  if (typeof offer === 'string') return `kind=${offer}`;
  if ('command' in offer) return `kind=column words=${quoted(offer.command)} column=${offer.column}`;
  return `kind=words words=${quoted(offer.join(' '))}`;
}

function commandCase({ name, options, places, takesRest }: OfferedCommand): string {
  const spelled = options.flatMap(({ long, short }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])]);
  const valued = options.filter(({ value }) => value !== undefined);
  const values = valued.flatMap(({ long, short }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])]);
  return [
    `    ${quoted(name)})`,
    `      options=${quoted(spelled.join(' '))}`,
    `      valued=${quoted(` ${values.join(' ')} `)}`,
    `      places=${places.length} rest=${takesRest ? 1 : 0}`,
    '      ;;',
  ].join('\n');
}

function valueCases({ name, options }: OfferedCommand): string[] {
  return options
    .filter(({ value }) => value !== undefined)
    .map(({ long, short, offer }) => {
      const patterns = [`--${long}`, ...(short === undefined ? [] : [`-${short}`])];
      return `    ${patterns.map((it) => quoted(`${name} ${it}`)).join(' | ')}) ${assignments(offer)} ;;`;
    });
}

function placeCases({ name, places }: OfferedCommand): string[] {
  return places.flatMap(({ offer }, i) =>
    offer === undefined ? [] : [`      ${quoted(`${name} ${i}`)}) ${assignments(offer)} ;;`],
  );
}

/** The completion of bash 3.2 and later. */
export function bashCompletion(program: Program): string {
  const { name } = program;
  const commands = offeredCommands(program);
  const first = [...firstWords(commands).keys()];
  const twoWords = commands.filter(({ second }) => second !== undefined);
  const seconds = [...groups(commands)].map(
    ([word, group]) =>
      `      ${quoted(word)}) kind=words words=${quoted(group.map(({ second }) => second).join(' '))} ;;`,
  );
  const call = `_${name}`;
  return `# Completion of ${name} for bash, made by \`${name} completion bash\`.
${call}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=\${COMP_WORDS[1]} options='' valued='' words='' kind='' column=1 places=0 rest=0 place=0 i=2 word
  local IFS=$' \\t\\n'
  COMPREPLY=()
  # bash takes \`--option=value\` for three words.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $before == '=' ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD == 1)); then
    kind=words words=${quoted([...first, '--help', '--version'].join(' '))}
  elif [[ $command == help ]]; then
    ((COMP_CWORD == 2)) && kind=words words=${quoted(first.filter((word) => word !== 'help').join(' '))}
  fi
  if ((COMP_CWORD == 2)); then
    case $command in
${seconds.join('\n') || "      '') ;;"}
    esac
  elif ((COMP_CWORD > 2)); then
    case "$command \${COMP_WORDS[2]}" in
      ${twoWords.map((it) => quoted(it.name)).join(' | ') || "''"}) command="$command \${COMP_WORDS[2]}" i=3 ;;
    esac
  fi
  case $command in
${commands.map(commandCase).join('\n')}
  esac
  case "$command $before" in
${commands.flatMap(valueCases).join('\n')}
  esac
  for (( ; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $valued == *" $word "* ]]; then
      ((i++))
      [[ \${COMP_WORDS[i]} == '=' ]] && ((i++))
    elif [[ $word != -* ]]; then
      ((place++))
    fi
  done
  if [[ -z $kind || $kind == words ]] && [[ $current == -* ]]; then
    ((COMP_CWORD > 1 && (rest == 0 || place < places))) && kind=words words=$options
  elif [[ -z $kind ]]; then
    case "$command $place" in
${commands.flatMap(placeCases).join('\n')}
    esac
  fi
  [[ $kind == column ]] && words=$(${name} $words 2>/dev/null | awk -v n="$column" 'NR > 1 { print $n }')
  case $kind in
    words | column) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    files | directories)
      compopt -o filenames 2>/dev/null
      IFS=$'\\n'
      if [[ $kind == files ]]; then COMPREPLY=($(compgen -f -- "$current")); else COMPREPLY=($(compgen -d -- "$current")); fi
      ;;
  esac
  return 0
}
complete -F ${call} ${name}
`;
}
