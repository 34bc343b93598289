import type { Argument, Command, Option, Program } from './command.ts';
import { usage } from './help.ts';

/** Text of a paragraph or an item; what is written in backquotes stays code. */
function prose(text: string): string {
  return text
    .split('`')
    .map((part, i) => (i % 2 === 1 ? part : part.replaceAll(/[\\*_<>]/g, '\\$&')))
    .join('`');
}

function optionItem(option: Option): string {
  const value = option.value === undefined ? '' : ` ${option.value}`;
  const short = option.short === undefined ? '' : `\`-${option.short}\`, `;
  const many = option.multiple === true ? ' (may be given several times)' : '';
  return `- ${short}\`--${option.name}${value}\`: ${prose(option.help)}${many}`;
}

function argumentItem(argument: Argument): string {
  const optional = argument.optional === true ? ' (optional)' : '';
  return `- \`${argument.name.toUpperCase()}\`${optional}: ${prose(argument.help)}`;
}

function commandReference(program: Program, command: Command): string[] {
  const lines = [`### ${program.name} ${command.name}`, '', `${capitalized(prose(command.summary))}.`, ''];
  lines.push('```', usage(program, command), '```', '');
  for (const paragraph of command.description ?? []) lines.push(prose(paragraph), '');
  const items = [...(command.arguments ?? []).map(argumentItem), ...(command.options ?? []).map(optionItem)];
  if (items.length > 0) lines.push(...items, '');
  lines.push('```', ...command.examples.flatMap(({ line, does }) => [`# ${does}`, line]), '```', '');
  return lines;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** All commands of a program as a section of Markdown, made from the same definitions as `--help`. */
export function programReference(program: Program): string {
  const lines = [`## ${program.name}`, '', `${capitalized(prose(program.summary))}.`, ''];
  for (const paragraph of program.description) lines.push(prose(paragraph), '');
  if (program.options.length > 0) {
    lines.push('Options of every command:', '', ...program.options.map(optionItem), '');
  }
  for (const command of program.commands) {
    if (command.hidden !== true) lines.push(...commandReference(program, command));
  }
  return lines.join('\n').trimEnd();
}

/**
 * Puts `text` between the lines `<!-- NAME: generated -->` and `<!-- NAME: end -->` of a document, in the place of what is there.
 *
 * @throws RangeError when the document has no such lines
 */
export function replaceSection(document: string, name: string, text: string): string {
  const begin = `<!-- ${name}: generated -->`;
  const end = `<!-- ${name}: end -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from === -1 || to === -1) throw new RangeError(`no lines ${begin} and ${end}`);
  return `${document.slice(0, from)}${begin}\n\n${text}\n\n${document.slice(to)}`;
}
