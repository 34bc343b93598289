/** The commands of `posternd` as data. Each loads what it needs only when it runs, so that `--help` is quick. */
import { completionCommand, type Program } from '@postern/terminal';
import { check } from './admin/commands/check.ts';
import { confirm } from './admin/commands/confirm.ts';
import { dark } from './admin/commands/dark.ts';
import { deviceList } from './admin/commands/device-list.ts';
import { deviceRevoke } from './admin/commands/device-revoke.ts';
import { doctor } from './admin/commands/doctor.ts';
import { drawQrCommand } from './admin/commands/draw-qr.ts';
import { grantEnd } from './admin/commands/grant-end.ts';
import { grantList } from './admin/commands/grant-list.ts';
import { importFwknopCommand } from './admin/commands/import-fwknop.ts';
import { importKnockdCommand } from './admin/commands/import-knockd.ts';
import { init } from './admin/commands/init.ts';
import { invite } from './admin/commands/invite.ts';
import { protect } from './admin/commands/protect.ts';
import { reload } from './admin/commands/reload.ts';
import { schema } from './admin/commands/schema.ts';
import { sendRaw } from './admin/commands/send-raw.ts';
import { status } from './admin/commands/status.ts';
import { unprotect } from './admin/commands/unprotect.ts';
import { userAdd } from './admin/commands/user-add.ts';
import { userList } from './admin/commands/user-list.ts';
import { userRevoke } from './admin/commands/user-revoke.ts';
import { replayCommand } from './replay.ts';
import { run } from './run.ts';
import { undo } from './undo.ts';
import { version } from './version.ts';

/** The program. */
export const program: Program = {
  name: 'posternd',
  version,
  summary: 'hides services, and opens them for one person at a time',
  description: [
    'This host becomes a gate: its services are hidden from everybody, and a device that proves in one packet that it may come in gets one of them opened, for itself, for a short time.',
    'All commands but `init`, `run`, `check`, `doctor`, `replay` and `schema` ask the running daemon, over a socket that is for root only.',
  ],
  options: [],
  commands: [
    ...[init, run, status, check, doctor, schema, reload, replayCommand],
    ...[userAdd, userList, userRevoke, invite],
    ...[deviceList, deviceRevoke, grantList, grantEnd],
    ...[protect, confirm, unprotect, dark, undo],
    ...[importKnockdCommand, importFwknopCommand],
    ...[sendRaw, drawQrCommand],
    completionCommand('posternd', () => program),
  ],
  manual: {
    section: 8,
    exitCodes: [
      { code: 0, means: 'done' },
      { code: 1, means: 'not done, the message says why; `check` and `doctor`: at least one error was found' },
      { code: 2, means: 'the command line was not understood; nothing was done' },
      {
        code: 5,
        means: 'the configuration, or a file that belongs to it, is wrong: `FILE:LINE:COLUMN: …` where it is inside',
      },
      { code: 6, means: '`check` and `doctor`: warnings, and no error' },
      { code: 7, means: '`doctor`: advice, and nothing worse' },
    ],
    files: [
      { path: '/etc/postern/posternd.toml', holds: 'the configuration' },
      { path: '/etc/postern/gate.key', holds: 'the secret keys of this gate, for root only' },
      { path: '/etc/postern/fwknop.keys', holds: 'the keys of its stanzas for clients of fwknop, for root only' },
      {
        path: '/etc/postern/users.d/NAME.toml',
        holds: 'a user: devices with their public keys, and what they may open',
      },
      { path: '/var/lib/postern', holds: 'the state: freshness of devices, invites, what is known of grants' },
      { path: '/run/postern/posternd.sock', holds: 'the socket over which commands ask the daemon, for root only' },
    ],
    environment: [
      { name: 'NO_COLOR', does: 'set to anything: no colours' },
      { name: 'POSTERN_DEBUG', does: '`1` shows where a bug of ours is (`internal error`)' },
    ],
    seeAlso: ['postern(1)', 'nft(8)'],
  },
};
