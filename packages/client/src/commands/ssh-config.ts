import { parseAddress } from '@postern/protocol';
import { EXIT, formatTable, type Io, type Parsed, PersonError } from '@postern/terminal';
import type { HostSummary } from '../host-file.ts';
import { familyOption, timeoutOption } from '../option-values.ts';
import { resolveAddresses } from '../resolve.ts';
import { askSsh, keyName, parseSshConfig, sshProgram } from '../ssh.ts';
import { describeSection, isCalledWith, sectionOf, type SshAddress, type SshHost } from '../ssh-config.ts';
import { changeSections, currentSections, isIncluded, type SshFiles, sshFiles } from '../ssh-files.ts';
import { configWords, programPath } from '../ssh-program.ts';
import { bookOf, serviceOf } from './context.ts';

/** Long enough for a round trip of two seconds and for lost packets; short enough to wait for a gate that is dead. */
const SECONDS = 5;

/** `postern ssh-config [HOST…]`. */
export async function runSshConfig(parsed: Parsed, io: Io): Promise<number> {
  const { rest, flags, values } = parsed;
  const files = sshFiles(values['file']);
  if (rest.length === 0) {
    const [action] = ['remove', 'print'].filter((flag) => flags.has(flag));
    if (action === undefined) return list(files, parsed, io);
    throw usage(`which host? --${action} needs one`, `\`postern ssh-config\` lists those of ${files.own}`);
  }
  if (flags.has('remove')) return remove(files, rest, parsed, io);
  refuseForSeveral(parsed);
  const sections = new Map<string, string>();
  for (const typed of rest) {
    const host = await describe(typed, files, parsed, io);
    sections.set(host.name, sectionOf(host));
  }
  const text = [...sections.values()].join('\n');
  if (flags.has('print')) {
    if (flags.has('json')) io.out(report(files, sections, false));
    else io.out(text.trimEnd());
    return EXIT.ok;
  }
  const { changed, undo } = await changeSections(files, (all) => {
    for (const [name, section] of sections) all.set(name, section);
  });
  if (changed) await proven(files, rest, undo);
  if (flags.has('json')) io.out(report(files, sections, changed));
  else if (!flags.has('quiet')) {
    const names = [...sections.keys()].join(', ');
    if (changed) io.out(`ssh knocks on ${names} by itself now: ${files.own}, which ${files.config} includes`);
    else io.out(`nothing to change: ssh knocks on ${names} by itself already`);
    // The addresses come from the invite: whoever wrote it chose under which names ssh goes to his gate.
    const own = new Set(sections.keys());
    const others = [...sections.values()]
      .flatMap((section) => describeSection(section).names)
      .filter((it) => !own.has(it));
    if (changed && others.length > 0) io.out(`and where ssh is given another name of it: ${others.join(', ')}`);
    io.out(`try: ssh ${[...sections.keys()][0] ?? ''}`);
  }
  return EXIT.ok;
}

async function remove(files: SshFiles, typed: readonly string[], { flags }: Parsed, io: Io): Promise<number> {
  const known = currentSections(files);
  const names = typed.map((name) => name.toLowerCase());
  const missing = names.find((name) => !known.has(name));
  const { changed } = await changeSections(files, (all) => {
    for (const name of names) all.delete(name);
  });
  if (flags.has('json')) io.out(report(files, new Map(), changed));
  else if (!flags.has('quiet')) {
    if (missing !== undefined) io.out(`${files.own} says nothing of ${missing}`);
    if (changed) io.out(`ssh does not knock on ${names.filter((name) => known.has(name)).join(', ')} any more`);
  }
  return EXIT.ok;
}

function list(files: SshFiles, { flags }: Parsed, io: Io): number {
  const sections = currentSections(files);
  if (flags.has('json')) {
    io.out(report(files, sections, false));
    return EXIT.ok;
  }
  if (sections.size === 0) {
    io.err('postern: ssh knocks on no host by itself yet; `postern ssh-config HOST` makes it');
    return EXIT.ok;
  }
  const rows = [...sections].map(([name, section]) => {
    const { mode, names } = describeSection(section);
    return [name, mode === 'match-exec' ? 'Match exec' : 'ProxyCommand', names.join(', ')];
  });
  io.out(formatTable(['HOST', 'HOW', 'NAMES FOR SSH'], rows));
  if (!isIncluded(files)) {
    const [first = ''] = sections.keys();
    io.err(`postern: note: ${files.config} does not include ${files.own}: \`postern ssh-config ${first}\` mends it`);
  }
  return EXIT.ok;
}

function report(files: SshFiles, sections: ReadonlyMap<string, string>, changed: boolean): string {
  const hosts = [...sections].map(([name, text]) => ({ name, ...describeSection(text), text }));
  return JSON.stringify({ config: files.config, file: files.own, changed, hosts });
}

/** One host by what was typed, what Postern knows of it, and what ssh would do without us. */
async function describe(typed: string, files: SshFiles, parsed: Parsed, io: Io): Promise<SshHost> {
  const { values, flags } = parsed;
  const host = bookOf(parsed).summary(typed);
  const family = familyOption(parsed);
  const port = portOption(values['port']);
  const aliases = (parsed.lists['also'] ?? []).map((name) => plainName('also', name).toLowerCase());
  const own = [...new Set([host.name, ...aliases])];
  const address = await addressFor(host, own, { files, typed: values['hostname'], port, family, io });
  return {
    ...{ name: host.name, family, port, address },
    names: [...new Set([...own, ...host.addresses.map((name) => name.toLowerCase()).filter(isPlain)])],
    mode: flags.has('proxy-command') ? 'proxy-command' : 'match-exec',
    program: programPath(values['program']),
    configuration: configWords(values['config']),
    service: serviceOf(host, values['service'], 'ssh'),
    timeout: (timeoutOption(parsed) ?? SECONDS * 1000) / 1000,
    user: values['user'] === undefined ? undefined : plainName('user', values['user']),
  };
}

interface Surroundings {
  readonly files: SshFiles;
  /** `--hostname`. */
  readonly typed: string | undefined;
  readonly port: number | undefined;
  readonly family: 4 | 6 | undefined;
  readonly io: Io;
}

/** A `HostName` where one was typed, or where ssh would find no address: its owner's own `HostName` stands, and so does what resolves. */
async function addressFor(
  host: HostSummary,
  names: readonly string[],
  { files, typed, port, family, io }: Surroundings,
): Promise<SshAddress | undefined> {
  const hostName = typed === undefined ? await addressOf(host, family) : plainName('hostname', typed);
  const nameless: string[] = [];
  let keyAlias: string | undefined = keyName(host.name, port ?? 22);
  for (const name of names) {
    const config = parseSshConfig(await configOf(files, name));
    // What we wrote before is not its owner's choice.
    const chosen = config?.hostName !== name && config?.hostName !== hostName ? config?.hostName : undefined;
    if (name === host.name && typed === undefined) keyAlias = keyName(host.name, port ?? config?.port ?? 22);
    if (config?.hostKeyAlias !== undefined && config.hostKeyAlias !== keyAlias) keyAlias = undefined;
    if (typed !== undefined) nameless.push(name);
    else if (chosen === undefined) {
      const { addresses } = await resolveAddresses([name], undefined);
      if (addresses.length === 0) nameless.push(name);
      else await warnOfStranger(host, name, io);
    }
  }
  if (nameless.length === 0) return undefined;
  if (hostName === undefined) {
    throw new PersonError(`ssh would find no address for ${nameless.join(', ')}, and neither can Postern`, {
      hint: '`--hostname ADDRESS` names one',
      exitCode: EXIT.configuration,
    });
  }
  return { hostName, names: nameless, keyAlias };
}

/** A name by which the gate is found, as it may lead to both families; else its first address. */
async function addressOf({ addresses }: HostSummary, family: 4 | 6 | undefined): Promise<string | undefined> {
  const plain = addresses.filter(isPlain);
  for (const name of plain.filter((text) => parseAddress(text) === undefined)) {
    if ((await resolveAddresses([name], family)).addresses.length > 0) return name;
  }
  for (const literal of plain) if ((await resolveAddresses([literal], family)).addresses.length > 0) return literal;
  return undefined;
}

async function warnOfStranger({ name, addresses }: HostSummary, typed: string, io: Io): Promise<void> {
  const texts = async (names: readonly string[]): Promise<string[]> =>
    (await resolveAddresses(names, undefined)).addresses.map((address) => Buffer.from(address).toString('hex'));
  const gate = new Set(await texts(addresses));
  if (gate.size === 0 || (await texts([typed])).some((address) => gate.has(address))) return;
  io.err(
    `postern: note: ssh finds ${typed} at another address than Postern finds ${name} (${addresses.join(', ')}); if that is wrong, say --hostname ADDRESS`,
  );
}

/** What ssh makes of its configuration for a name. @throws PersonError with ssh's own complaint if it takes it for wrong */
async function configOf({ config }: SshFiles, name: string): Promise<string> {
  const asked = await askSsh(sshProgram(), [...fileWords(config), '--', name]);
  if (asked.ok) return asked.output;
  throw new PersonError(`ssh does not understand its configuration: ${firstLine(asked.complaint)}`, {
    hint: 'nothing was changed; mend that first',
    exitCode: EXIT.configuration,
  });
}

/** ssh is asked whether it takes what was written; if not, that is taken back. */
async function proven(files: SshFiles, names: readonly string[], undo: () => Promise<void>): Promise<void> {
  for (const name of names) {
    const asked = await askSsh(sshProgram(), [...fileWords(files.config), '--', name]);
    if (asked.ok) continue;
    await undo();
    throw new PersonError(`ssh does not take what Postern wrote, so it was taken back: ${firstLine(asked.complaint)}`, {
      hint: 'OpenSSH 7.3 or later is needed; `postern ssh HOST` works with any',
      exitCode: EXIT.configuration,
    });
  }
}

/** With `-F`, ssh reads no other file: only where its owner said so. */
function fileWords(config: string): string[] {
  return config === sshFiles(undefined).config ? [] : ['-F', config];
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.trim() ?? '';
}

function refuseForSeveral({ rest, values, lists }: Parsed): void {
  const [odd] = ['hostname']
    .filter((name) => values[name] !== undefined)
    .concat(lists['also'] === undefined ? [] : ['also']);
  if (rest.length > 1 && odd !== undefined) {
    throw usage(`--${odd} is for one host, but ${rest.length} came`, 'call it for each of them');
  }
}

function portOption(typed: string | undefined): number | undefined {
  if (typed === undefined) return undefined;
  const port = /^[0-9]{1,5}$/.test(typed) ? Number(typed) : 0;
  if (port < 1 || port > 65_535) throw usage(`--port ${typed}: 1 to 65535 expected`, 'for example: --port 2222');
  return port;
}

/** What can stand in ssh's configuration without any quoting, and means itself. */
function isPlain(text: string): boolean {
  return /^[A-Za-z0-9_](?:[A-Za-z0-9._:@+-]*[A-Za-z0-9_.:+-])?$/.test(text) || /^::[0-9A-Fa-f:.]*$/.test(text);
}

function plainName(option: string, text: string): string {
  if (isPlain(text)) return text;
  throw usage(
    `--${option} ${JSON.stringify(text)}: letters, digits and \`._:@+-\` expected`,
    'patterns belong in ~/.ssh/config by hand',
  );
}

function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}

/** Takes a host that is being forgotten out of ssh's configuration; its owner learns where that is not possible. */
export async function forgetInSsh(name: string, parsed: Parsed, io: Io): Promise<void> {
  const files = sshFiles(undefined);
  const { flags, values } = parsed;
  try {
    const section = currentSections(files).get(name);
    // A host of the same name may be kept in another directory.
    if (section === undefined || !isCalledWith(section, configWords(values['config']))) return;
    await changeSections(files, (all) => all.delete(name));
    if (!flags.has('quiet') && !flags.has('json')) io.out(`ssh does not knock on ${name} any more`);
  } catch (error) {
    if (!(error instanceof PersonError)) throw error;
    io.err(`postern: note: ${files.own} still has ${name}: ${error.message}`);
  }
}
