import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command, Io } from '@postern/terminal';
import { CONFIG, configFile } from './admin/options.ts';
import { version } from './version.ts';

/**
 * Who comes from knockd or fwknop has no configuration of ours yet: an empty one is made, with its keys. Knocks arrive where packets of fwknop did,
 * which the routers on the way let through.
 */
async function makeFor(configFile: string, fwknop: string | undefined, io: Io): Promise<void> {
  const [{ initialize, OFFERED_PORT }, { offeredAddresses, offeredName }, { importFwknop, knockPortOf }] =
    await Promise.all([
      import('./admin/initialize.ts'),
      import('./admin/init-answers.ts'),
      import('./config/fwknop/load.ts'),
    ]);
  const port = fwknop === undefined ? OFFERED_PORT : knockPortOf(importFwknop(fwknop));
  const plan = { configFile, name: offeredName(), addresses: offeredAddresses(), port, services: [] };
  initialize(plan);
  io.err(`posternd: made ${configFile} and its keys, without any service`);
}

/** `posternd run`. It stands outside of admin/, because commands ask the daemon and this one is it. */
export const run: Command = {
  name: 'run',
  summary: 'be the daemon: hear knocks until SIGTERM',
  description: [
    "Stays in the foreground, for systemd or a terminal. Two processes: this one decides and never reads strangers' packets; the sentry, without any rights, reads them and cannot decide.",
    'When it ends, by whatever, nothing opens and nothing closes: grants and protection are in the kernel and end there on time. The next start takes them over. SIGHUP reads the configuration again.',
  ],
  options: [
    { name: 'knockd', value: 'FILE', help: 'also the doors of this knockd.conf, read anew with each reload' },
    {
      name: 'fwknop',
      value: 'DIR',
      help: 'also the stanzas of fwknopd.conf and access.conf in this directory, read anew with each reload',
    },
    CONFIG,
  ],
  examples: [
    { line: 'posternd run', does: 'runs with /etc/postern/posternd.toml' },
    { line: 'posternd run --knockd /etc/knockd.conf', does: 'takes the place of knockd, doors and all' },
    { line: 'posternd run --fwknop /etc/fwknop', does: 'takes the place of fwknopd: its clients go on as they are' },
    {
      line: 'posternd run --config /srv/postern/posternd.toml',
      does: 'runs with another configuration',
    },
  ],
  run: async (parsed, io) => {
    const file = resolve(configFile(parsed));
    const { knockd, fwknop } = parsed.values;
    if ((knockd ?? fwknop) !== undefined && !existsSync(file)) await makeFor(file, fwknop, io);
    const { runMonitor } = await import('./monitor/main.ts');
    return runMonitor({
      ...{ configFile: file, version },
      ...(knockd === undefined ? {} : { knockd: resolve(knockd) }),
      ...(fwknop === undefined ? {} : { fwknop: resolve(fwknop) }),
    });
  },
};
