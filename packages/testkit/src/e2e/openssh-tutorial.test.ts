import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { PROGRAMS } from '../gate-process.ts';
import { GATE, Household } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { SshHome } from '../ssh-home.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const PAGE = join(import.meta.dirname, '../../../../docs/tutorials/hide-ssh.md');

interface Block {
  readonly where: string;
  readonly fails: boolean;
  readonly text: string;
}

/** What the page tells to type, in its order. */
function blocks(page: string): Block[] {
  return [...page.matchAll(/^```sh (server|laptop)( fails)?\n(.*?)^```$/gms)].map(
    ([, where = '', fails, text = '']) => ({
      where,
      fails: fails !== undefined,
      text: text.replaceAll('203.0.113.5', GATE[4]).replaceAll('2001:db8::5', GATE[6]),
    }),
  );
}

/** Programs of the server: the real `posternd` with its files below `directory`, and what stands in for systemd. */
function serverPrograms(directory: string): string {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const posternd = PROGRAMS.posternd.map((word) => `'${word}'`).join(' ');
  const scripts = {
    posternd: `case $1 in init) set -- "$@" --state '${directory}/state' --socket '${directory}/sock' ;; esac
exec ${posternd} "$@" --config '${directory}/etc/posternd.toml'`,
    systemctl: `[ "$*" = 'enable --now posternd' ] || exit 9
'${bin}/posternd' run </dev/null >'${directory}/log' 2>&1 &
for i in $(seq 200); do ! grep -q '^posternd: ready ' '${directory}/log' || exit 0; sleep 0.1; done
cat '${directory}/log' >&2
exit 1`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

test(
  '"hide ssh in five minutes" works as it is written, line for line',
  { skip, timeout: 240_000 },
  async (context) => {
    await using house = await Household.build({ start: false });
    const directory = join(house.gate.directory, 'tutorial');
    mkdirSync(directory);
    const path = `${serverPrograms(directory)}:${process.env['PATH'] ?? ''}`;
    using home = new SshHome(house.world, []);
    await using sshd = await Sshd.start(house.gateSide, 22, { path });
    const own = `Host *\n  IdentityFile ${sshd.identity}\n  StrictHostKeyChecking accept-new\n  BatchMode yes\n  LogLevel ERROR\n`;
    writeFileSync(home.config, own, { mode: 0o600 });
    for (const { where, fails, text } of blocks(readFileSync(PAGE, 'utf8'))) {
      await context.test(`${where}: ${text.trim().replaceAll('\n', '; ')}`, async () => {
        if (where === 'server') {
          // `check` may warn of what a namespace lacks.
          const lines = text.replace(/^posternd check$/m, 'posternd check || [ $? = 6 ]');
          house.gateSide.run('env', [`PATH=${path}`, 'sh', '-ec', lines]);
          return;
        }
        const ran = await home.run(`set -e -o pipefail\n${text}`);
        assert.equal(ran.code !== 0, fails, `${ran.out}${ran.err}`);
        if (text.includes('echo I am in')) assert.equal(ran.out, 'I am in\n');
        if (fails) assert.match(ran.err, /timed out/);
      });
    }
    assert.equal(readFileSync(home.config, 'utf8'), own, 'the page ends where it began');
  },
);
