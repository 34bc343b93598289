import type { Argument, Command, Option, Program } from './command.ts';

/** An argument as it stands in a usage line. */
export function argumentForm(argument: Argument): string {
  const many = argument.rest === true || argument.multiple === true;
  const name = many ? `${argument.name.toUpperCase()}…` : argument.name.toUpperCase();
  return argument.optional === true || argument.rest === true ? `[${name}]` : name;
}

function optionForm(option: Option): string {
  const short = option.short === undefined ? '    ' : `-${option.short}, `;
  return `${short}--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`;
}

function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width - indent.length) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(indent + line);
  return lines;
}

function columns(rows: readonly (readonly [string, string])[], width: number): string[] {
  const left = Math.min(34, Math.max(0, ...rows.map(([form]) => form.length)) + 2);
  return rows.flatMap(([form, help]) => {
    const body = wrap(help, width, ' '.repeat(left + 2));
    const first = `  ${form.padEnd(left)}`;
    return form.length + 2 > left
      ? [`  ${form}`, ...body]
      : [first + (body[0]?.slice(left + 2) ?? ''), ...body.slice(1)];
  });
}

/** The options that a command takes: its own, and those of the program. */
export function optionsOf(program: Program, command: Command | undefined): readonly Option[] {
  return [...(command?.options ?? []), ...program.options];
}

/** How a command is called, on one line. */
export function usage(program: Program, command: Command): string {
  const options = optionsOf(program, command).length > 0 ? ' [OPTIONS]' : '';
  return [`${program.name} ${command.name}${options}`, ...(command.arguments ?? []).map(argumentForm)].join(' ');
}

/** The text of `NAME COMMAND --help`. */
export function commandHelp(program: Program, command: Command, width: number): string {
  const lines = [`${program.name} ${command.name}: ${command.summary}`, '', 'Usage:', `  ${usage(program, command)}`];
  for (const paragraph of command.description ?? []) lines.push('', ...wrap(paragraph, width, ''));
  const args = command.arguments ?? [];
  if (args.length > 0) {
    lines.push(
      '',
      'Arguments:',
      ...columns(
        args.map((a) => [argumentForm(a), a.help] as const),
        width,
      ),
    );
  }
  const options = optionsOf(program, command);
  if (options.length > 0) {
    lines.push(
      '',
      'Options:',
      ...columns(
        options.map((o) => [optionForm(o), o.help] as const),
        width,
      ),
    );
  }
  lines.push('', 'Examples:');
  for (const example of command.examples) lines.push(`  ${example.line}`, ...wrap(example.does, width, '      '));
  return lines.join('\n');
}

/** The text of `NAME WORD --help`, where WORD begins several commands. */
export function groupHelp(program: Program, commands: readonly Command[], width: number): string {
  return [
    'Usage:',
    ...columns(
      commands.map((command) => [usage(program, command), command.summary] as const),
      width,
    ),
    '',
    `\`${program.name} COMMAND --help\` shows a command with examples.`,
  ].join('\n');
}

/** The text of `NAME --help`. */
export function programHelp(program: Program, width: number): string {
  const lines = [`${program.name}: ${program.summary}`, '', 'Usage:', `  ${program.name} COMMAND …`];
  for (const paragraph of program.description) lines.push('', ...wrap(paragraph, width, ''));
  const shown = program.commands.filter((command) => command.hidden !== true);
  lines.push(
    '',
    'Commands:',
    ...columns(
      shown.map((c) => [c.name, c.summary] as const),
      width,
    ),
  );
  if (program.options.length > 0) {
    lines.push(
      '',
      'Options of every command:',
      ...columns(
        program.options.map((o) => [optionForm(o), o.help] as const),
        width,
      ),
    );
  }
  lines.push('', `\`${program.name} COMMAND --help\` shows a command with examples.`);
  return lines.join('\n');
}
