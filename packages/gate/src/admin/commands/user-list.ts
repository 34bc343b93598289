import { formatTable, type Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remoteList } from '../remote.ts';
import { showOptionalTime } from '../wording.ts';

/** `posternd user list`. */
export const userList: Command = {
  name: 'user list',
  summary: 'list the users',
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd user list', does: 'shows every user with services, devices and open invites' }],
  run: remoteList({
    command: 'user.list',
    arguments: () => ({}),
    list: 'users',
    entries: (value) => value.users,
    show: (users, io) => {
      if (users.length === 0) {
        io.out('no users yet: `posternd user add NAME`');
        return;
      }
      const rows = users.map((user) => [
        user.name,
        user.services.join(' ') || '-',
        `${user.devices}`,
        `${user.invites}`,
        showOptionalTime(user.expires),
        showOptionalTime(user.revoked),
      ]);
      io.out(formatTable(['USER', 'SERVICES', 'DEVICES', 'INVITES', 'EXPIRES', 'REVOKED'], rows));
    },
  }),
};
