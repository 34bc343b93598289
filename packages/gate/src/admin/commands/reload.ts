import type { Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remote } from '../remote.ts';
import { count } from '../wording.ts';

/** `posternd reload`. */
export const reload: Command = {
  name: 'reload',
  summary: 'read the configuration again',
  description: [
    'No grant ends by it, but for those of who was revoked or removed. A configuration that is wrong changes nothing. SIGHUP does the same.',
  ],
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd reload', does: 'takes over what was edited by hand' }],
  run: remote({
    command: 'reload',
    arguments: () => ({}),
    show: (value, io) => {
      io.out(`${count(value.services, 'service')}, ${count(value.users, 'user')}, ${count(value.devices, 'device')}`);
      if (value.needsRestart.length > 0) io.out(`changed, but only after a restart: ${value.needsRestart.join(', ')}`);
    },
  }),
};
