import type { Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remote } from '../remote.ts';

/** `posternd unprotect`. */
export const unprotect: Command = {
  name: 'unprotect',
  summary: 'let everybody reach a service again',
  description: ['Takes the protection away at once and for good; your own firewall rules stay as they are.'],
  arguments: [{ name: 'service', help: 'a service of the configuration' }],
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd unprotect ssh', does: 'opens ssh to everybody' }],
  run: remote({
    command: 'unprotect',
    arguments: (parsed) => ({ service: parsed.arguments['service'] ?? '' }),
    show: (value, io) => {
      io.out(`${value.service} is open to everybody`);
    },
  }),
};
