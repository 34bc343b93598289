/** A man page from the command table, in the macros of man(7). */
import type { Argument, Command, Option, Program } from './command.ts';
import { argumentForm, usage } from './help.ts';

/** A generated file. */
export interface Generated {
  /** Its name, without directory. */
  readonly file: string;
  readonly text: string;
}

/** Text as roff shows it, letter by letter; what is not ASCII by its number, so that every roff on every system shows it. */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\(rs')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('"', '\\(dq')
    .replaceAll(
      /[^\0-\x7f]/gu,
      (letter) => `\\[u${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}

function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${plain(text)}\\fR`;
}

/** A paragraph; what is written in backquotes is bold. A line that began with a dot would be a request, and none does after `\&`. */
function prose(text: string): string {
  return `\\&${text
    .split('`')
    .map((part, i) => (i % 2 === 1 ? bold(part) : plain(part).replaceAll('\\(aq', '\\(cq')))
    .join('')}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function tagged(tag: string, text: string): string[] {
  return ['.TP', `\\&${tag}`, prose(text)];
}

function optionItem(option: Option): string[] {
  const value = option.value === undefined ? '' : ` ${italic(option.value)}`;
  const short = option.short === undefined ? '' : `${bold(`-${option.short}`)}, `;
  const many = option.multiple === true ? ' (may be given several times)' : '';
  return tagged(`${short}${bold(`--${option.name}`)}${value}`, capitalized(option.help) + many);
}

function argumentItem(argument: Argument): string[] {
  return tagged(italic(argumentForm(argument)), capitalized(argument.help));
}

function usageLine(program: Program, command: Command): string {
  const name = `${program.name} ${command.name}`;
  return `${bold(name)}${plain(usage(program, command).slice(name.length))}`;
}

function commandPart(program: Program, command: Command): string[] {
  const lines = [
    `.SS ${plain(command.name)}`,
    '.PP',
    usageLine(program, command),
    '.PP',
    `${prose(capitalized(command.summary))}.`,
  ];
  for (const paragraph of command.description ?? []) lines.push('.PP', prose(paragraph));
  lines.push(...(command.arguments ?? []).flatMap(argumentItem), ...(command.options ?? []).flatMap(optionItem));
  for (const { line, does } of command.examples) {
    lines.push('.PP', `${prose(capitalized(does))}:`, '.PP', '.RS 4', '.EX', `\\&${plain(line)}`, '.EE', '.RE');
  }
  return lines;
}

/** The man page of a program. */
export function manPage(program: Program): Generated {
  const { name, manual, version } = program;
  const commands = program.commands.filter((command) => command.hidden !== true);
  const lines = [
    `.\\" Made from the command table of ${name}: do not edit.`,
    `.TH ${name.toUpperCase()} ${manual.section} "" "${name} ${version}" "Postern"`,
    '.SH NAME',
    `${plain(name)} \\- ${plain(program.summary)}`,
    '.SH SYNOPSIS',
    ...commands.flatMap((command) => [usageLine(program, command), '.br']),
    bold(`${name} COMMAND --help`),
    '.br',
    bold(`${name} --version`),
    '.SH DESCRIPTION',
    ...program.description.flatMap((paragraph) => ['.PP', prose(paragraph)]),
  ];
  if (program.options.length > 0)
    lines.push('.SH OPTIONS', 'Every command takes these:', ...program.options.flatMap(optionItem));
  lines.push('.SH COMMANDS', ...commands.flatMap((command) => commandPart(program, command)));
  lines.push(
    '.SH EXIT STATUS',
    ...manual.exitCodes.flatMap(({ code, means }) => tagged(bold(String(code)), capitalized(means))),
  );
  lines.push(
    '.SH ENVIRONMENT',
    ...manual.environment.flatMap(({ name: variable, does }) => tagged(bold(variable), capitalized(does))),
  );
  lines.push('.SH FILES', ...manual.files.flatMap(({ path, holds }) => tagged(italic(path), capitalized(holds))));
  lines.push('.SH SEE ALSO', manual.seeAlso.map((page) => bold(page)).join(', '));
  return { file: `${name}.${manual.section}`, text: `${lines.join('\n')}\n` };
}
