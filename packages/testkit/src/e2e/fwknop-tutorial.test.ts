import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fwknopAvailable } from '../fwknop-client.ts';
import { Fwknopd, fwknopdAvailable } from '../fwknopd.ts';
import { PROGRAMS } from '../gate-process.ts';
import { GATE, Household, STRANGER } from '../household.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { SshHome } from '../ssh-home.ts';
import { Sshd } from '../sshd.ts';
import { unpacked } from '../unpacked.ts';

const able = namespacesAvailable() && fwknopdAvailable() && fwknopAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND fwknop: script/bootstrap test';
const PAGE = join(import.meta.dirname, '../../../../docs/tutorials/coming-from-fwknop.md');

interface Block {
  readonly where: string;
  readonly fails: boolean;
  readonly text: string;
}

/** What the page tells to type, in its order. */
function blocks(page: string): Block[] {
  return [...page.matchAll(/^```sh (server|alice|bob)( fails)?\n(.*?)^```$/gms)].map(
    ([, where = '', fails, text = '']) => ({ where, fails: fails !== undefined, text }),
  );
}

const PEOPLE = ['alice', 'bob'] as const;
const keys = (name: string): string =>
  `KEY_BASE64 ${Buffer.from(name.padEnd(32, '.')).toString('base64')}\nHMAC_KEY_BASE64 ${Buffer.from(name.padEnd(64, '-')).toString('base64')}\n`;

/** What lets everybody in whom Postern does not hold back; the page says it. */
const RULE = 'iptables -I INPUT -p tcp --dport 22 -j ACCEPT';
/** What such a host has: ssh closed to all but established connections, and a stanza for each of them. */
const RULES = ['-m conntrack --ctstate ESTABLISHED -j ACCEPT', '-p tcp --dport 22 -j DROP'];
const ACCESS = PEOPLE.map(
  (name) =>
    `SOURCE ANY\nREQUIRE_USERNAME ${name}\nREQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 10\n${keys(name)}`,
).join('\n');

/** Programs of the server: the real `posternd` with its files below `directory`, and what stands in for systemd. */
function serverPrograms(directory: string, fwknopd: number): string {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const posternd = PROGRAMS.posternd.map((word) => `'${word}'`).join(' ');
  const dropIn = join(directory, 'systemd/posternd.service.d/fwknop.conf');
  const scripts = {
    posternd: `case $1 in init) set -- "$@" --state '${directory}/state' --socket '${directory}/sock' ;; esac
exec ${posternd} "$@" --config '${directory}/etc/posternd.toml'`,
    systemctl: `start() {
  command='${bin}/posternd run'
  [ ! -e '${dropIn}' ] || command=$(sed -n 's/^ExecStart=\\(..*\\)/\\1/p' '${dropIn}')
  : >'${directory}/log'
  $command </dev/null >>'${directory}/log' 2>&1 &
  echo $! >'${directory}/pid'
  for i in $(seq 200); do ! grep -q '^posternd: ready ' '${directory}/log' || exit 0; sleep 0.1; done
  cat '${directory}/log' >&2
  exit 1
}
gone() {
  kill "$1"
  # One that nobody has waited for yet counts as gone.
  for i in $(seq 100); do grep -qs '^State:.[^Z]' "/proc/$1/status" || return 0; sleep 0.1; done
  exit 1
}
case $* in
  daemon-reload) ;;
  'enable --now posternd') start ;;
  'restart posternd') gone "$(cat '${directory}/pid')"; start ;;
  'disable --now fwknop-server') gone ${String(fwknopd)} ;;
  *) exit 9 ;;
esac`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

/** A laptop with an ssh of its own and Debian's fwknop, as it stands on the day before. */
function laptop(world: Namespace, name: string, address: string, identity: string): SshHome {
  const home = new SshHome(world, []);
  writeFileSync(
    home.config,
    `Host *\n  IdentityFile ${identity}\n  StrictHostKeyChecking accept-new\n  BatchMode yes\n  LogLevel ERROR\n`,
    { mode: 0o600 },
  );
  writeFileSync(
    join(home.directory, '.fwknoprc'),
    `[web1]\nSPA_SERVER ${GATE[4]}\nACCESS tcp/22\nALLOW_IP ${address}\nSPOOF_USER ${name}\n${keys(name)}`,
    { mode: 0o600 },
  );
  return home;
}

test(
  '"coming from fwknop" works as it is written, line for line, and ssh is never open to a stranger',
  { skip, timeout: 240_000 },
  async (context) => {
    await using house = await Household.build({ start: false });
    const { gateSide, world, gate } = house;
    using elsewhere = new Namespace('bob');
    gateSide.connect(elsewhere, ['10.78.0.1/24'], ['10.78.0.2/24']);
    elsewhere.run('ip', ['route', 'add', 'default', 'via', '10.78.0.1']);
    for (const rule of RULES) gateSide.run('iptables', ['-A', 'INPUT', ...rule.split(' ')]);
    await using fwknopd = await Fwknopd.start(gateSide, { access: ACCESS, capture: { device: 'any' } });
    const directory = join(gate.directory, 'tutorial');
    mkdirSync(directory);
    const bin = serverPrograms(directory, fwknopd.pid);
    const path = `${bin}:${process.env['PATH'] ?? ''}`;
    await using sshd = await Sshd.start(gateSide, 22, { path });
    using alice = laptop(world, 'alice', '10.77.0.2', sshd.identity);
    using bob = laptop(elsewhere, 'bob', '10.78.0.2', sshd.identity);
    const homes: Readonly<Record<string, SshHome>> = { alice, bob };
    const theirs = unpacked('fwknop-client', 'usr/bin');
    const placed = (text: string): string =>
      text
        .replaceAll('203.0.113.5', GATE[4])
        .replaceAll('/etc/fwknop', fwknopd.directory)
        .replaceAll('/etc/systemd/system', join(directory, 'systemd'))
        .replaceAll('/etc/postern', join(directory, 'etc'))
        .replaceAll('/usr/sbin/posternd', join(bin, 'posternd'))
        .replaceAll('import fwknop --write', `import fwknop --write ${fwknopd.directory}`)
        .replaceAll(/import fwknop$/gm, `import fwknop ${fwknopd.directory}`);
    let open = false;
    const watch = async (): Promise<void> => {
      open ||= await house.reaches(22, STRANGER[4], 300);
    };
    for (const { where, fails, text } of blocks(readFileSync(PAGE, 'utf8'))) {
      await context.test(`${where}: ${text.trim().replaceAll('\n', '; ')}`, async () => {
        const home = homes[where];
        if (home === undefined) {
          // `check` may warn of what a namespace lacks.
          const lines = placed(text).replaceAll(/^posternd check$/gm, 'posternd check || [ $? = 6 ]');
          const run = (): string => gateSide.run('env', [`PATH=${path}`, 'sh', '-ec', lines]);
          if (fails) assert.throws(run, ({ stdout }: { stdout: string }) => stdout.includes(`mend: ${RULE} `));
          else run();
        } else {
          const ran = await home.run(
            `shopt -s expand_aliases\nset -e -o pipefail\nPATH=$PATH:${theirs}\n${placed(text)}`,
          );
          const log = existsSync(join(directory, 'log')) ? readFileSync(join(directory, 'log'), 'utf8') : '';
          assert.equal(ran.code !== 0, fails, `${ran.out}${ran.err}${log}`);
          if (text.includes('echo I am in')) assert.match(ran.out, /^I am in$/m);
          if (fails) assert.match(ran.err, /timed out/);
        }
        await watch();
        assert.equal(open, false, 'a stranger reaches ssh');
      });
    }
    const configuration = readFileSync(join(directory, 'etc/posternd.toml'), 'utf8');
    assert.doesNotMatch(configuration, /^\[fwknop/m);
    // What opened before opens nothing any more.
    for (const home of [alice, bob]) {
      await home.run('postern close web1; postern fwknop -n web1');
      const ran = await home.run(`ssh -o ConnectTimeout=2 root@${GATE[4]}`);
      assert.match(ran.err, /timed out/);
    }
  },
);
