import type { Io, Parsed } from '@postern/terminal';
import { EXIT, PersonError } from '@postern/terminal';
import { askHost } from '../ask-host.ts';
import { secondsOption, sourceOption } from '../option-values.ts';
import { answersOf } from '../knock.ts';
import type { Ask } from '../request.ts';
import { readSshConfig, runSsh, sshProgram, sshWords } from '../ssh.ts';
import { parseSshLine } from '../ssh-arguments.ts';
import { SSH_OPTIONS } from '../options.ts';
import { askOptions, bookOf, serviceOf, tell, tellGranted, waitFor } from './context.ts';

/** `postern ssh [OPTIONS] HOST …`. */
export async function runPosternSsh(parsed: Parsed, io: Io): Promise<number> {
  const line = parseSshLine(parsed.rest, SSH_OPTIONS);
  const program = sshProgram();
  if (line.offline) return runSsh(program, sshWords(line, undefined));
  if (line.host === undefined) {
    throw new PersonError('HOST is missing: one of `postern hosts`', {
      hint: 'postern ssh [OPTIONS] [USER@]HOST [COMMAND …]',
      exitCode: EXIT.usage,
    });
  }
  const flags = new Set(line.flags);
  if (line.family !== undefined) flags.add(`ipv${line.family}`);
  const typed = { flags, values: line.values };
  const options = askOptions(typed, io, 'any');
  const book = bookOf(typed);
  const host = book.get(line.host);
  const ask: Ask = {
    kind: 'open',
    service: serviceOf(host, line.values['service'], 'ssh'),
    seconds: secondsOption(typed),
    singleUse: flags.has('single-use'),
    source: sourceOption(typed),
  };
  const asking = Promise.all([readSshConfig(program, line), askHost(book, host, ask, options)]);
  const [config, result] = await waitFor(host.name, typed, io, asking);
  const granted = answersOf(result).find(({ outcome }) => outcome.status === 'ok');
  if (granted === undefined) return tell(host, ask, result, typed, io.err, io);
  // Standard output belongs to ssh.
  tellGranted(
    host,
    ask,
    [granted.outcome],
    typed,
    (text) => {
      io.err(`postern: ${text}`);
    },
    io,
  );
  if (config?.proxy !== undefined) {
    io.err(
      `postern: note: ssh goes through ${config.proxy}, but only this device's address was opened; knock from there instead`,
    );
  }
  return runSsh(program, sshWords(line, { address: granted.address, config }), host.name);
}
