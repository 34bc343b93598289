import { resolve } from 'node:path';
import type { Command } from '@postern/terminal';
import { CONFIG, configFile } from './admin/options.ts';
import { version } from './version.ts';

/** `posternd run`. It stands outside of admin/, because commands ask the daemon and this one is it. */
export const run: Command = {
  name: 'run',
  summary: 'be the daemon: hear knocks until SIGTERM',
  description: [
    "Stays in the foreground, for systemd or a terminal. Two processes: this one decides and never reads strangers' packets; the sentry, without any rights, reads them and cannot decide.",
    'When it ends, by whatever, nothing opens and nothing closes: grants and protection are in the kernel and end there on time. The next start takes them over. SIGHUP reads the configuration again.',
  ],
  options: [CONFIG],
  examples: [
    { line: 'posternd run', does: 'runs with /etc/postern/posternd.toml' },
    {
      line: 'posternd run --config /srv/postern/posternd.toml',
      does: 'runs with another configuration',
    },
  ],
  run: async (parsed) => {
    const { runMonitor } = await import('./monitor/main.ts');
    return runMonitor({ configFile: resolve(configFile(parsed)), version });
  },
};
