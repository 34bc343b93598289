import type { Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remote } from '../remote.ts';

/** `posternd confirm`. */
export const confirm: Command = {
  name: 'confirm',
  summary: 'make last what is on trial: protections, and the dark host',
  description: [
    'Run it where you can be sure to come in again: in a connection that was opened after `posternd protect` (for `posternd dark`: by a knock), or on a console. In a session that was open before it is refused, because such a session proves nothing.',
    'How you came in is found out from the sockets of the processes that this command runs under.',
  ],
  arguments: [{ name: 'service', help: 'the service; all that are on trial if not given', optional: true }],
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd confirm', does: 'keeps everything that is on trial protected, also after a restart' }],
  run: remote({
    command: 'confirm',
    arguments: async (parsed) => {
      const { gatherEvidence } = await import('../ancestry.ts');
      return { service: parsed.arguments['service'], evidence: gatherEvidence() };
    },
    show: (value, io) => {
      if (value.dark === true) io.out('this host is dark for good; `posternd undo` ends it');
      if (value.services.length > 0) io.out(`protected for good: ${value.services.join(', ')}`);
    },
  }),
};
