import type { Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { remote } from '../remote.ts';
import { count, showTime } from '../wording.ts';

/** `posternd protect`. */
export const protect: Command = {
  name: 'protect',
  summary: 'hide a service from strangers, on trial',
  description: [
    'From now on new connections to the service are dropped, but for those of devices that knocked. What is connected now stays connected.',
    'It is a trial: the kernel opens the service again after SECONDS by itself, whatever happens to posternd, unless `posternd confirm` is run in a new connection before. So nobody is locked out by a slip.',
  ],
  arguments: [{ name: 'service', help: 'a service of the configuration' }],
  options: [
    { name: 'try', value: 'SECONDS', help: 'how long the trial lasts; 120 if not given' },
    { name: 'force', help: 'allow a trial of less than 120 seconds' },
    JSON_OUTPUT,
    CONFIG,
  ],
  examples: [
    { line: 'posternd protect ssh', does: 'hides ssh for two minutes' },
    { line: 'posternd protect ssh --try 600', does: 'for ten' },
  ],
  run: remote({
    command: 'protect',
    arguments: (parsed) => ({
      service: parsed.arguments['service'] ?? '',
      seconds: wholeNumber(parsed, 'try', 1, 86_400) ?? 120,
      force: parsed.flags.has('force'),
    }),
    show: (value, io) => {
      io.out(
        `${value.service} (${value.ports.join(' ')}) is hidden until ${showTime(value.until)}, then it opens again by itself`,
      );
      io.out(`${count(value.admitted, 'live connection was', 'live connections were')} admitted`);
      io.out('');
      io.out('To make it last, leave this session open and:');
      io.out(`  1. on your device, knock:             postern knock HOST ${value.service}`);
      io.out(`  2. open a new connection, and in it:  posternd confirm`);
    },
  }),
};
