import { formatTable, type Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remoteList } from '../remote.ts';
import { showOptionalTime } from '../wording.ts';

/** `posternd device list`. */
export const deviceList: Command = {
  name: 'device list',
  summary: 'list the devices',
  options: [{ name: 'user', value: 'NAME', help: 'only the devices of this user' }, JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd device list --user ada', does: "shows Ada's devices, and when each was last heard" }],
  run: remoteList({
    command: 'device.list',
    arguments: (parsed) => ({ user: parsed.values['user'] }),
    list: 'devices',
    entries: (value) => value.devices,
    show: (devices, io) => {
      if (devices.length === 0) {
        io.out('no devices yet: `posternd invite NAME` lets one join');
        return;
      }
      const rows = devices.map((device) => [
        device.user,
        device.name,
        device.id,
        showOptionalTime(device.lastHeard),
        device.revoked !== undefined ? `revoked ${showOptionalTime(device.revoked)}` : showOptionalTime(device.expires),
      ]);
      io.out(formatTable(['USER', 'DEVICE', 'ID', 'LAST HEARD', 'ENDS'], rows));
    },
  }),
};
