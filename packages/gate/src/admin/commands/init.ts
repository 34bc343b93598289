import { EXIT, PersonError, type Command, type Io, type Parsed, type Prompt } from '@postern/terminal';
import type { InitPlan } from '../initialize.ts';
import { CONFIG, configFile, JSON_OUTPUT, withConfig } from '../options.ts';

type Reject = (answer: string) => string | undefined;

function usage(message: string, hint?: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}

/** Takes what was typed, else asks, else (with `--yes`) takes what is offered. */
async function answer(
  typed: string | undefined,
  option: string,
  prompt: Prompt | undefined,
  question: string,
  offered: string,
  reject: Reject,
): Promise<string> {
  if (typed === undefined && prompt !== undefined) return prompt.ask(question, offered, reject);
  const value = typed ?? offered;
  const wrong = reject(value);
  if (wrong !== undefined) throw usage(`\`--${option}\`: ${wrong}`);
  return value;
}

/** What is to be made: from options, answers and offers. */
export async function planOf(
  parsed: Parsed,
  prompt: Prompt | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<InitPlan> {
  const it = await import('../init-answers.ts');
  const { OFFERED_PORT } = await import('../initialize.ts');
  const { values, lists } = parsed;
  const name = await answer(values['name'], 'name', prompt, 'Name of this gate', it.offeredName(), it.wrongName);
  const addresses = await answer(
    lists['address']?.join(','),
    'address',
    prompt,
    'Addresses or host names where devices find it',
    it.offeredAddresses().join(', '),
    it.wrongAddresses,
  );
  const port = await answer(values['port'], 'port', prompt, 'UDP port for knocks', `${OFFERED_PORT}`, it.wrongPort);
  const offered = it.offeredService(environment);
  const typed = lists['service'];
  const services =
    typed === undefined
      ? [
          await answer(
            undefined,
            'service',
            prompt,
            'Service to hide',
            `${offered.name}=${offered.ports.join(',')}`,
            it.wrongService,
          ),
        ]
      : typed;
  return {
    configFile: configFile(parsed),
    name,
    addresses: it.splitAddresses(addresses),
    port: Number(port),
    services: services.map((text) => {
      const service = it.parseService(text);
      if (service === undefined) throw usage(`\`--service\`: ${it.wrongService(text) ?? ''}`);
      return service;
    }),
    capture: values['capture'],
    pq: values['pq'],
    sentryUser: values['sentry-user'],
    state: values['state'],
    socket: values['socket'],
  };
}

function showNext(plan: InitPlan, made: readonly string[], io: Io): void {
  const [service] = plan.services;
  const config = withConfig(plan.configFile);
  io.out(`made ${made.join(', ')}`);
  io.out('');
  io.out('Nothing is hidden yet, and nothing of your firewall was changed. Next:');
  const steps = [
    [`posternd check${config}`, 'says what this host still lacks'],
    [`posternd run${config}`, 'in a terminal of its own, or as a service'],
    [`posternd user add NAME${config}`, 'prints an invite for the first device'],
    ['postern join', 'on that device, then: postern knock HOST'],
    ...(service === undefined
      ? []
      : [[`posternd protect ${service.name}${config}`, `hides ${service.name} on trial, and says how to keep it so`]]),
  ];
  const width = Math.max(...steps.map(([line = '']) => line.length));
  steps.forEach(([line = '', does = ''], i) => {
    io.out(`  ${i + 1}. ${line.padEnd(width)}   ${does}`);
  });
}

/** `posternd init`. */
export const init: Command = {
  name: 'init',
  summary: 'make this host a gate: keys, configuration, first service',
  description: [
    'Asks on a terminal what is not given by an option; with `--yes` it takes what it would offer. It replaces nothing that exists, starts nothing, and changes no firewall.',
    'It makes `posternd.toml`, `gate.key` (the secret keys, for root only) and `users.d` in the directory of the configuration, and the directory of the state.',
  ],
  options: [
    { name: 'yes', short: 'y', help: 'ask nothing' },
    { name: 'name', value: 'NAME', help: 'what devices call this gate; the host name if not given' },
    { name: 'address', value: 'HOST', help: 'an address or host name where devices find it', multiple: true },
    { name: 'port', value: 'PORT', help: 'UDP port of knocks; 62201 if not given' },
    { name: 'service', value: 'NAME=PORTS', help: 'a service, as ssh=tcp/22 or web=tcp/80,tcp/443', multiple: true },
    { name: 'capture', value: 'HOW', help: '`packet` (a closed port), or `dgram` (an open one, for containers)' },
    { name: 'pq', value: 'HOW', help: '`off`, or `required`: only post-quantum requests are heard' },
    { name: 'sentry-user', value: 'USER', help: 'the system user that reads packets' },
    { name: 'state', value: 'DIR', help: 'where the state is kept' },
    { name: 'socket', value: 'FILE', help: 'where commands reach the daemon' },
    JSON_OUTPUT,
    CONFIG,
  ],
  examples: [
    { line: 'posternd init', does: 'asks what it needs to know' },
    {
      line: 'posternd init --yes --name web1 --address web1.example.org --service ssh=tcp/2222',
      does: 'asks nothing, for scripts',
    },
  ],
  run: async (parsed, io) => {
    const { isInteractive, openPrompt } = await import('@postern/terminal');
    const process = await import('node:process');
    const { initialize } = await import('../initialize.ts');
    const silent = parsed.flags.has('yes');
    if (!silent && !isInteractive()) {
      throw usage(
        '`posternd init` asks questions, and this is no terminal',
        'with `--yes` it takes what it would offer',
      );
    }
    using prompt = silent ? undefined : openPrompt();
    const plan = await planOf(parsed, prompt, process.env);
    const made = initialize(plan);
    if (parsed.flags.has('json')) {
      const { file, keyFile, usersDirectory, stateDirectory, name, port, addresses } = made;
      const services = plan.services.map(({ name: service, ports }) => ({ name: service, ports }));
      io.out(
        JSON.stringify({ configFile: file, keyFile, usersDirectory, stateDirectory, name, port, addresses, services }),
      );
    } else showNext(plan, [made.file, made.keyFile, made.usersDirectory, made.stateDirectory], io);
    return EXIT.ok;
  },
};
