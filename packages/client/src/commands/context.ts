import process from 'node:process';
import { isServiceName, type ServiceName } from '@postern/protocol';
import { EXIT, type Io, PersonError, whileWaiting } from '@postern/terminal';
import type { AskOptions } from '../ask-host.ts';
import { HostBook } from '../book.ts';
import { realSurroundings } from '../dgram-transport.ts';
import type { Answer } from '../outcome.ts';
import type { Host } from '../host.ts';
import { answersOf, type KnockResult, type Reach } from '../knock.ts';
import { familyOption, timeoutOption } from '../option-values.ts';
import type { Typed } from '../options.ts';
import { askPassphrase } from '../passphrase.ts';
import { configDirectory } from '../platform.ts';
import { reportOf } from '../report.ts';
import type { Ask } from '../request.ts';
import { PATIENCE_MS } from '../schedule.ts';
import { progressPrinter } from '../verbose.ts';
import { failure, familyRemarks, remarks, successLine } from '../words.ts';

/** The hosts of this device. */
export function bookOf({ values }: Typed): HostBook {
  return new HostBook(values['config'] ?? configDirectory(process.env), askPassphrase);
}

/** How to ask, by what was typed. */
export function askOptions(typed: Typed, io: Io, reach: Reach): AskOptions {
  const surroundings = realSurroundings();
  const onProgress = typed.flags.has('verbose') ? progressPrinter(io.err, surroundings.tick) : undefined;
  return { surroundings, reach, family: familyOption(typed), patience: timeoutOption(typed), onProgress };
}

/** Says on a terminal for whom it waits, once that takes longer than a second. */
export function waitFor<T>(name: string, { flags }: Typed, io: Io, work: Promise<T>): Promise<T> {
  const told = ['quiet', 'json', 'verbose'].some((flag) => flags.has(flag));
  return told ? work : whileWaiting(io, `waiting for ${name}`, work);
}

/** The service that was typed, or the host's default: the first that its invite named. */
export function serviceOf(
  host: Pick<Host, 'name' | 'services'>,
  typed: string | undefined,
  usual?: string,
): ServiceName {
  const service = typed ?? host.services.find((name) => name === usual) ?? host.services[0];
  if (service === undefined) {
    throw new PersonError(`which service? the invite of ${host.name} named none`, {
      hint: 'SERVICE names one',
      exitCode: EXIT.usage,
    });
  }
  if (!isServiceName(service)) {
    throw new PersonError(`${JSON.stringify(service)} cannot be a service`, {
      hint: `1 to 32 of a-z, 0-9 and -; the invite named: ${host.services.join(', ')}`,
      exitCode: EXIT.usage,
    });
  }
  return service;
}

/** Tells what became of a request and returns the exit code, or throws the error that says why nothing did. */
export function tell(
  host: Host,
  ask: Ask,
  result: KnockResult,
  typed: Typed,
  out: (line: string) => void,
  io: Io,
): number {
  const granted = answersOf(result).filter(({ outcome }) => outcome.status === 'ok');
  const patience = timeoutOption(typed) ?? PATIENCE_MS;
  const error =
    granted.length > 0 ? undefined : failure(host, ask, result, { now: realSurroundings().now(), patience });
  if (typed.flags.has('json')) {
    out(JSON.stringify({ ...reportOf(host, ask, result), ...(error === undefined ? {} : { error: plain(error) }) }));
    return error?.exitCode ?? EXIT.ok;
  }
  if (error !== undefined) throw error;
  tellGranted(
    host,
    ask,
    granted.map(({ outcome }) => outcome),
    typed,
    out,
    io,
  );
  if (!typed.flags.has('quiet')) for (const line of familyRemarks(host, result)) io.err(`postern: note: ${line}`);
  return EXIT.ok;
}

/** Tells successes, and on standard error what was put right on the way. */
export function tellGranted(
  host: Host,
  ask: Ask,
  answers: readonly Answer[],
  typed: Typed,
  out: (line: string) => void,
  io: Io,
): void {
  const quiet = typed.flags.has('quiet');
  if (!quiet) for (const answer of answers) out(successLine(host, ask, answer));
  const told = answers.filter(({ unsaved }) => !quiet || unsaved !== undefined);
  // Two families learn the same.
  for (const line of new Set(told.flatMap((answer) => remarks(host, answer)))) io.err(`postern: note: ${line}`);
}

/** As `runProgram` shows errors with `--json`. */
function plain({ message, hint, exitCode }: PersonError): unknown {
  return { message, hint, exitCode };
}
