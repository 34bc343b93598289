import { formatTable, type Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remoteList } from '../remote.ts';

/** `posternd grant list`. */
export const grantList: Command = {
  name: 'grant list',
  summary: 'list what is open now, for whom and how long',
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd grant list', does: 'shows every grant that lives now' }],
  run: remoteList({
    command: 'grant.list',
    arguments: () => ({}),
    list: 'grants',
    entries: (value) => value.grants,
    show: (grants, io) => {
      if (grants.length === 0) {
        io.out('nothing is open');
        return;
      }
      const rows = grants.map((grant) => [
        grant.id,
        grant.user ?? '?',
        grant.device ?? '?',
        grant.service ?? '?',
        grant.source,
        grant.ports.join(' ') + (grant.target === undefined ? '' : ` at ${grant.target}`),
        grant.singleUse ? 'one connection' : 'any number',
        `${grant.remainingSeconds} s`,
      ]);
      io.out(formatTable(['GRANT', 'USER', 'DEVICE', 'SERVICE', 'SOURCE', 'PORTS', 'CONNECTIONS', 'ENDS IN'], rows));
    },
  }),
};
