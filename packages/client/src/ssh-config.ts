/** What `postern ssh-config` writes for one host: text that OpenSSH reads, and how it is found again. */
import type { ServiceName } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { quote } from './platform.ts';

/** How ssh is made to knock: before it connects, by `Match … exec`; or by making the connection, as `ProxyCommand`. */
export type SshMode = 'match-exec' | 'proxy-command';

/** One host as ssh shall see it. */
export interface SshHost {
  /** What Postern calls it. */
  readonly name: string;
  /** What may be typed after `ssh`; the first is `name`. */
  readonly names: readonly string[];
  readonly mode: SshMode;
  /** The postern program: a path that is absolute, and arguments that stand before the command. */
  readonly program: readonly string[];
  /** `--config` and its value, if needed. */
  readonly configuration: readonly string[];
  readonly service: ServiceName;
  /** How long a knock waits without any answer, in seconds; and after a knock in vain ssh for a connection. */
  readonly timeout: number;
  readonly family: 4 | 6 | undefined;
  /** Where ssh connects to for names that nothing else resolves. */
  readonly address: SshAddress | undefined;
  readonly user: string | undefined;
  readonly port: number | undefined;
}

/** A `HostName` for names of which ssh would find no address. */
export interface SshAddress {
  readonly hostName: string;
  readonly names: readonly string[];
  /** Under which ssh keeps the host's key; undefined where its owner has chosen. */
  readonly keyAlias: string | undefined;
}

/** The section of a host, line feed at its end. */
export function sectionOf(host: SshHost): string {
  const { name, names, family, address, user, port } = host;
  const settings = [
    ...(family === undefined ? [] : [`AddressFamily ${family === 4 ? 'inet' : 'inet6'}`]),
    ...(user === undefined ? [] : [`User ${user}`]),
    ...(port === undefined ? [] : [`Port ${port}`]),
  ];
  const all = `originalhost ${names.join(',')}`;
  const lines = [`${SECTION}${name}`];
  if (host.mode === 'proxy-command') {
    const command = commandLine([...host.program, 'ssh-proxy', ...knockWords(host), '%p']);
    // ssh counts the knock and the connection as one wait; its owner's own ConnectTimeout may be too short for both.
    const wait = `ConnectTimeout ${Math.ceil(4 * host.timeout)}`;
    lines.push(...block(all, [`ProxyCommand ${command}`, wait, ...settings]));
  } else {
    const command = commandLine([...host.program, 'knock', '--for-ssh', ...knockWords(host)]);
    // `!canonical`: not once more when ssh reads its configuration a second time. `!exec`: only a knock in vain changes anything.
    lines.push(
      ...block(`!canonical ${all} !exec "${command}"`, [
        '# no answer: ssh tries all the same, but not for long',
        `ConnectTimeout ${Math.ceil(host.timeout)}`,
      ]),
    );
    if (settings.length > 0) lines.push(...block(all, settings));
  }
  if (address !== undefined) {
    const { hostName, keyAlias } = address;
    const alias = keyAlias === undefined ? [] : [`HostKeyAlias ${keyAlias}`];
    lines.push(...block(`originalhost ${address.names.join(',')}`, [`HostName ${hostName}`, ...alias]));
  }
  return `${lines.join('\n')}\n`;
}

function block(criteria: string, settings: readonly string[]): string[] {
  return [`Match ${criteria}`, ...settings.map((setting) => `    ${setting}`)];
}

function knockWords({ name, service, timeout, family, configuration }: SshHost): string[] {
  return [
    ...configuration,
    ...(family === undefined ? [] : [`-${family}`]),
    '--timeout',
    String(timeout),
    name,
    service,
  ];
}

/**
 * A command as ssh hands it to the user's shell, whichever that is: in quotes that all of them read alike, `%` doubled for ssh. The words of ours
 * that ssh shall fill in (`%p`) come last and stay.
 *
 * @throws PersonError for what ssh's configuration cannot carry through all of its versions
 */
function commandLine(words: readonly string[]): string {
  const text = shellWords(words);

  if (!/["\\\u0000-\u001f]/.test(text)) return text;
  const odd = words.find((word) => /["'\\]/.test(word)) ?? text;
  throw new PersonError(`${JSON.stringify(odd)} cannot stand in ssh's configuration: it has a quote or a backslash`, {
    hint: 'move it to a path without them, or name another: `--program PATH`, `--config DIR`',
    exitCode: EXIT.configuration,
  });
}

function shellWords(words: readonly string[]): string {
  return words.map((word) => (word === '%p' ? word : quote(word).replaceAll('%', '%%'))).join(' ');
}

const SECTION = '# host ';
const HEADER = `# Written by \`postern ssh-config\`, which takes a host out again with --remove. Changes by hand are lost.
# Your own settings belong in ~/.ssh/config, below the line that includes this file.
`;

/** The sections in a file of ours, by host. */
export function readSections(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  let name: string | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith(SECTION)) name = line.slice(SECTION.length).trim();
    if (name !== undefined && line.trim() !== '') sections.set(name, `${sections.get(name) ?? ''}${line}\n`);
  }
  return sections;
}

/** The file with these sections, or undefined if there are none: then there shall be no file. */
export function writeSections(sections: ReadonlyMap<string, string>): string | undefined {
  if (sections.size === 0) return undefined;
  const sorted = [...sections].sort(([a], [b]) => (a < b ? -1 : 1));
  return [HEADER, ...sorted.map(([, section]) => section)].join('\n');
}

/** How a section makes ssh knock, and for which names. */
export function describeSection(section: string): { readonly mode: SshMode; readonly names: readonly string[] } {
  const names = /^Match .*?\boriginalhost (\S+)/m.exec(section)?.[1]?.split(',') ?? [];
  return { mode: /^\s*ProxyCommand /m.test(section) ? 'proxy-command' : 'match-exec', names };
}

/** Whether the command of a section has these words of {@link SshHost.configuration}. */
export function isCalledWith(section: string, configuration: readonly string[]): boolean {
  return configuration.length === 0
    ? !section.includes(' --config ')
    : section.includes(` ${shellWords(configuration)} `);
}

/** Whether a `ProxyCommand` is one of ours. */
export function isOurProxy(command: string): boolean {
  return / ssh-proxy .* %p$/.test(command);
}
