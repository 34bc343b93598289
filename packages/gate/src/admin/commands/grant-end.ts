import type { Command } from '@postern/terminal';
import { CONFIG, idArgument, JSON_OUTPUT } from '../options.ts';
import { remote } from '../remote.ts';

/** `posternd grant end`. */
export const grantEnd: Command = {
  name: 'grant end',
  summary: 'end a grant before its time',
  description: ['New connections are dropped from then on; those that are established live on.'],
  arguments: [{ name: 'id', help: 'its id, or the first 6 or more digits' }],
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd grant end 9b2e41', does: 'ends the grant whose id begins so' }],
  run: remote({
    command: 'grant.end',
    arguments: (parsed) => ({ id: idArgument(parsed, 16, 'posternd grant list') }),
    show: (value, io) => {
      io.out(`grant ${value.id} ended`);
    },
  }),
};
