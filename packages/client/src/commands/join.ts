import { importSigner } from '@postern/protocol';
import { EXIT, type Io, type Parsed, PersonError } from '@postern/terminal';
import type { HostBook } from '../book.ts';
import type { Host } from '../host.ts';
import { enrol, prepareHost, readInvite } from '../join.ts';
import { askNewPassphrase } from '../passphrase.ts';
import { inviteFromFile, inviteFromInput } from '../read-invite.ts';
import type { Ask } from '../request.ts';
import { askOptions, bookOf, tell, waitFor } from './context.ts';

/** `postern join [INVITE]`. */
export async function runJoin(parsed: Parsed, io: Io): Promise<number> {
  const options = askOptions(parsed, io, 'any');
  const { now, random } = options.surroundings;
  const book = bookOf(parsed);
  const { values, flags } = parsed;
  const passphrase = flags.has('passphrase') ? askNewPassphrase : undefined;
  const prepared =
    unfinished(book, parsed) ??
    (await prepareHost(book, readInvite(await inviteText(parsed, io)), values['name'], now(), random, passphrase));
  const { host, answer, result } = await waitFor(prepared.name, parsed, io, enrol(book, prepared, options));
  const ask: Ask = { kind: 'enrol', newDevice: importSigner(host.seed).publicKey };
  const code = tell(host, ask, result, parsed, io.out, io);
  if (answer === undefined || parsed.flags.has('quiet') || parsed.flags.has('json')) return code;
  const [service] = host.services;
  if (service === undefined) io.out('nothing may be opened yet: ask the admin of the gate for a service');
  else io.out(`try: postern ${service === 'ssh' ? 'ssh' : 'knock'} ${host.name}`);
  return code;
}

/** A host whose receipt never came, asked for by its name alone. */
function unfinished(book: HostBook, { arguments: typed, values }: Parsed): Host | undefined {
  if (typed['invite'] !== undefined || values['file'] !== undefined || values['name'] === undefined) return undefined;
  const host = book.find(values['name']);
  return host?.enrolment === undefined ? undefined : host;
}

async function inviteText({ arguments: typed, values }: Parsed, io: Io): Promise<string> {
  const { invite } = typed;
  const { file } = values;
  if (invite !== undefined && file !== undefined) {
    throw new PersonError('an invite and --file exclude each other', { exitCode: EXIT.usage });
  }
  if (file !== undefined) return inviteFromFile(file);
  if (invite !== undefined && invite !== '-') return invite;
  return inviteFromInput(io.err);
}
