/** How other programs call this one. */
import { accessSync, constants } from 'node:fs';
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path';
import process from 'node:process';
import { EXIT, PersonError } from '@postern/terminal';
import { configDirectory } from './platform.ts';

/**
 * This program by an absolute path: the one that runs, if it is called by its name; else the `postern` on the PATH; else Node with what it runs
 * now.
 *
 * @param typed - `--program`
 */
export function programPath(typed: string | undefined): string[] {
  if (typed !== undefined) {
    const path = resolve(typed);
    if (isProgram(path)) return [path];
    throw new PersonError(`--program ${typed}: there is no program at ${path}`, { exitCode: EXIT.usage });
  }
  const { argv, execArgv, execPath, env } = process;
  const script = argv[1] ?? '';
  if (basename(script) === 'postern' && isProgram(script)) return [script];
  const onPath = (env['PATH'] ?? '')
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, 'postern'))
    .find((path) => isProgram(path));
  return onPath === undefined ? [execPath, ...execArgv, script] : [onPath];
}

/** `--config` and the directory of the client's files, where that is not the usual one. */
export function configWords(config: string | undefined): string[] {
  const directory = resolve(config ?? configDirectory(process.env));
  return directory === configDirectory({}) ? [] : ['--config', directory];
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
