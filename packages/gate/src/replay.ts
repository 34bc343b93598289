import { resolve } from 'node:path';
import type { Command } from '@postern/terminal';
import { CONFIG, configFile } from './admin/options.ts';

/** `posternd replay`. It stands outside of admin/, because it runs the daemon's own checks and asks no daemon. */
export const replayCommand: Command = {
  name: 'replay',
  summary: 'tell what would have become of recorded packets, and why',
  description: [
    'Reads a recording of tcpdump or Wireshark, pcap or pcapng, and passes each packet through the checks of the daemon: native knocks, packets of fwknop, doors and keyed knocks. One line says of each that had the form of anything who sent it, what it asked for, and what would have been opened until when, or why it was refused; a summary counts all others.',
    'The clock is that of the recording; configuration and keys are those of now. No daemon is needed. Nothing is opened, run or written, and the state is not read: devices count as known to the gate, invites as unknown, and what was used before the recording began is not known to be used. Every destination counts as this host. A packet for gpg is not opened, names are not looked up, and one-time sequences are left out. It reads the secret keys, so it is for root.',
    'Exit codes: 0 something could be read, whatever the verdicts; 1 nothing could.',
  ],
  arguments: [{ name: 'file', help: 'the recording; /dev/stdin for a pipe' }],
  options: [
    { name: 'all', help: 'tell of every packet, also of those that had no form of a knock' },
    { name: 'json', help: 'one JSON document a line: each packet, then `{ "summary": … }`' },
    { name: 'knockd', value: 'FILE', help: 'also the doors of this knockd.conf' },
    { name: 'fwknop', value: 'DIR', help: 'also the stanzas of fwknopd.conf and access.conf in this directory' },
    CONFIG,
  ],
  examples: [
    {
      line: 'tcpdump -i any -w knocks.pcap udp port 62201; posternd replay knocks.pcap',
      does: 'records what comes to the port for knocks until Ctrl-C, and judges it',
    },
    { line: 'posternd replay knocks.pcap', does: 'says who of them would have been let in' },
    { line: 'posternd replay --fwknop /etc/fwknop knocks.pcap', does: 'the same for the clients of a fwknopd' },
    { line: 'posternd replay --json knocks.pcap | grep would-open', does: 'lists openings for another program' },
  ],
  run: async (parsed, io) => {
    const { replay } = await import('./replay/main.ts');
    const { knockd, fwknop } = parsed.values;
    return replay(
      {
        file: parsed.arguments['file'] ?? '',
        configFile: resolve(configFile(parsed)),
        knockd: knockd === undefined ? undefined : resolve(knockd),
        fwknop: fwknop === undefined ? undefined : resolve(fwknop),
        json: parsed.flags.has('json'),
        all: parsed.flags.has('all'),
      },
      io,
    );
  },
};
