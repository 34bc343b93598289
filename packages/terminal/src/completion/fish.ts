import type { Offer, Program } from '../command.ts';
import { firstWords, groups, offeredCommands, type OfferedCommand, type OfferedOption } from './model.ts';

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}

/** Options of `complete` for the value of an option or an argument. */
function offerWords(name: string, offer: Offer | undefined, optionValue: boolean): string {
  if (offer === undefined) return optionValue ? '-x' : '';
  if (offer === 'files') return optionValue ? '-r -F' : '-F';
  const exclusive = optionValue ? '-x ' : '';
  if (offer === 'directories') return `${exclusive}-a '(__fish_complete_directories (commandline -ct))'`;
  if ('command' in offer) return `${exclusive}-a ${quoted(`(__${name}_column ${offer.column} ${offer.command})`)}`;
  return `${exclusive}-a ${quoted(offer.join(' '))}`;
}

function optionLine(name: string, condition: string, { long, short, value, offer, help }: OfferedOption): string {
  const spelled = [...(short === undefined ? [] : [`-s ${short}`]), `-l ${long}`].join(' ');
  const values = value === undefined ? '' : ` ${offerWords(name, offer, true)}`;
  return `complete -c ${name} -n ${quoted(condition)} ${spelled}${values} -d ${quoted(help)}`;
}

function commandLines(name: string, command: OfferedCommand): string[] {
  const places = command.places.flatMap(({ offer }, i) => {
    const words = offerWords(name, offer, false);
    return words === '' ? [] : [`complete -c ${name} -n ${quoted(`__${name}_at ${i} ${command.name}`)} ${words}`];
  });
  // Behind the last place of such a command stand words for another program.
  const condition = command.takesRest
    ? `__${name}_at ${command.places.length - 1} ${command.name}`
    : `__${name}_is ${command.name}`;
  return [...places, ...command.options.map((option) => optionLine(name, condition, option))];
}

function valuedCase({ name, options }: OfferedCommand): string {
  const valued = options.filter(({ value }) => value !== undefined);
  const words = valued.flatMap(({ long, short }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])]);
  return `        case ${quoted(name)}\n            set valued ${words.join(' ')}`;
}

/** The completion of fish 3. */
export function fishCompletion(program: Program): string {
  const { name } = program;
  const commands = offeredCommands(program);
  const first = firstWords(commands);
  const twoWords = commands.filter(({ second }) => second !== undefined);
  const word = (condition: string, it: string, help: string): string =>
    `complete -c ${name} -n ${quoted(condition)} -a ${it} -d ${quoted(help)}`;
  const lines = [
    ...[...first].map(([it, help]) => word(`__${name}_words 1`, it, help)),
    `complete -c ${name} -n '__${name}_words 1' -s h -l help -d 'show the commands'`,
    `complete -c ${name} -n '__${name}_words 1' -s V -l version -d 'show the version'`,
    ...[...first].filter(([it]) => it !== 'help').map(([it, help]) => word(`__${name}_words 2 help`, it, help)),
    ...[...groups(commands).values()]
      .flat()
      .map((it) => word(`__${name}_words 2 ${it.first}`, it.second ?? '', it.help)),
    ...commands.flatMap((command) => commandLines(name, command)),
  ];
  return `# Completion of ${name} for fish, made by \`${name} completion fish\`.

# __${name}_words N [WORD]: N words are complete, and the second is WORD.
function __${name}_words
    set -l words (commandline -opc)
    test (count $words) = $argv[1]; or return 1
    test (count $argv) = 1; or test "$words[2]" = "$argv[2]"
end

# __${name}_is COMMAND…: it is that command.
function __${name}_is
    set -l words (commandline -opc)
    set -l command "$words[2]"
    switch "$words[2] $words[3]"
        case ${twoWords.map((it) => quoted(it.name)).join(' ') || "''"}
            set command "$words[2] $words[3]"
    end
    test "$command" = "$argv"
end

# __${name}_at N COMMAND…: it is that command, and N of its arguments are complete.
function __${name}_at
    __${name}_is $argv[2..-1]; or return 1
    set -l words (commandline -opc)
    set -l valued
    switch "$argv[2..-1]"
${commands.map(valuedCase).join('\n')}
    end
    set -e words[1..(count $argv)]
    set -l place 0
    set -l value no
    for word in $words
        if test $value = yes
            set value no
        else if contains -- $word $valued
            set value yes
        else if not string match -q -- '-*' $word
            set place (math $place + 1)
        end
    end
    test $value = no -a $place = $argv[1]
end

# __${name}_column N COMMAND…: column N of what the command lists.
function __${name}_column
    ${name} $argv[2..-1] 2>/dev/null | awk -v n=$argv[1] 'NR > 1 { print $n }'
end

complete -c ${name} -f
${lines.join('\n')}
`;
}
