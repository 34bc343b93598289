import { EXIT, PersonError, type Command, type Parsed } from '@postern/terminal';
import { ALLOW_FORM, isInterface, parseAllowed, TRUST_FORM } from '../../config/allow.ts';
import { CONFIG, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { remote } from '../remote.ts';
import { count, showTime } from '../wording.ts';

/** A list with commas; a PersonError with EXIT.usage for an entry that is none. */
function list(parsed: Parsed, option: string, isOne: (text: string) => boolean, form: string): string[] {
  const typed = parsed.values[option];
  const entries = typed === undefined ? [] : typed.split(',').map((entry) => entry.trim());
  const wrong = entries.find((entry) => !isOne(entry));
  if (wrong === undefined) return [...new Set(entries)];
  throw new PersonError(`\`--${option}\`: ${form.replaceAll('"', '')}, but \`${wrong}\` came`, {
    hint: 'several stand with commas between them',
    exitCode: EXIT.usage,
  });
}

/** `posternd dark`. */
export const dark: Command = {
  name: 'dark',
  summary: 'hide the whole host from strangers, on trial',
  description: [
    'From now on this host answers nobody: every port, protocol and ping is silent, but for what is allowed here and for devices that knocked at a service. IPv4 and IPv6 alike, Docker-published ports too. What the host itself begins works as before, and so does what its network needs (neighbours, router advertisements, multicast membership, DHCP, packet-too-big). What is connected now stays connected.',
    'It is a trial: the kernel undoes it after SECONDS by itself, whatever happens to posternd, unless `posternd confirm` is run before in a new connection that a knock opened, or on a console. `posternd undo` ends it at any time.',
  ],
  options: [
    { name: 'try', value: 'SECONDS', help: 'how long the trial lasts; 120 if not given' },
    {
      name: 'allow',
      value: 'LIST',
      help: 'what everybody still reaches, with commas: tcp/80, udp/443, ping, esp, gre, ip/N …',
    },
    {
      name: 'trust',
      value: 'LIST',
      help: 'interfaces by which everything comes in, with commas: docker0, wg0, br-*',
    },
    { name: 'force', help: 'allow a trial of less than 120 seconds' },
    JSON_OUTPUT,
    CONFIG,
  ],
  examples: [
    { line: 'posternd dark', does: 'hides everything for two minutes' },
    { line: 'posternd dark --allow tcp/80,tcp/443 --try 600', does: 'all but a web server, for ten' },
    { line: 'posternd dark --trust docker0,wg0', does: 'containers and VPN peers reach this host as before' },
  ],
  run: remote({
    command: 'dark',
    arguments: (parsed) => ({
      allow: list(parsed, 'allow', (text) => parseAllowed(text) !== undefined, ALLOW_FORM),
      trust: list(parsed, 'trust', isInterface, TRUST_FORM),
      seconds: wholeNumber(parsed, 'try', 1, 86_400) ?? 120,
      force: parsed.flags.has('force'),
    }),
    show: (value, io) => {
      const [first] = value.services;
      io.out(`this host is dark until ${showTime(value.until)}, then it is as before by itself`);
      io.out(`everybody reaches: ${value.allow.join(', ') || 'nothing'}`);
      io.out(
        `who knocks reaches: ${value.services.map(({ name, ports }) => `${name} (${ports.join(' ')})`).join(', ')}`,
      );
      if (value.trust.length > 0) io.out(`everything comes in by: ${value.trust.join(', ')}`);
      io.out(`${count(value.admitted, 'live connection was', 'live connections were')} admitted`);
      if (value.behind.length > 0) {
        io.out('');
        io.out(
          `What containers, machines or VPN peers ask of this host by ${value.behind.join(', ')} is dropped, too (their own traffic is not). To let it in: --trust ${value.behind.join(',')}`,
        );
      }
      io.out('');
      io.out('To make it last, leave this session open and:');
      io.out(`  1. on your device, knock:             postern knock HOST ${first?.name ?? ''}`);
      io.out(`  2. open a new connection, and in it:  posternd confirm`);
    },
  }),
};
