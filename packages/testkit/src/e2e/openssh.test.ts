import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { GateFiles } from '../gate-process.ts';
import { namespacesAvailable } from '../namespace.ts';
import { INNER, Stage } from '../openssh-stage.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

const LINES = {
  'ssh, a name that only Postern knows': 'ssh demo true',
  'ssh, IPv4 and IPv6 by name': 'ssh both true',
  'ssh -4': 'ssh -4 both true',
  'ssh -6': 'ssh -6 both true',
  scp: 'scp -q site/page both:$HOME/to/scp',
  'scp, the old protocol': 'scp -q -O site/page both:$HOME/to/scp-o',
  sftp: 'echo "put site/page $HOME/to/sftp" | sftp -q -b - both',
  rsync: 'rsync -a site/ both:$HOME/to/rsync/',
  'git clone': 'git clone -q both:$HOME/repo to/clone$RANDOM',
  'ssh -J: through the gate to a host behind it': `ssh -J both ${INNER} true`,
  'ProxyJump in the configuration': 'ssh inner true',
};

test('plain OpenSSH knocks by itself', { skip, timeout: 280_000 }, async (context) => {
  await using stage = await Stage.build();
  const { home } = stage;
  const before = readFileSync(home.config);
  const own = join(home.directory, '.ssh/postern.conf');
  /** A configuration for `ssh -F` that is like the person's own. */
  const another = (directory: string, more = ''): void => {
    mkdirSync(join(home.directory, directory), { mode: 0o700 });
    writeFileSync(join(home.directory, directory, 'config'), `${before.toString()}${more}`, { mode: 0o600 });
  };

  await context.test('without the block every one of them fails', async () => {
    const all = await Promise.all(
      Object.entries(LINES).map(async ([what, line]) => [what, await stage.run(line)] as const),
    );
    for (const [what, { code }] of all) assert.notEqual(code, 0, what);
    assert.equal(stage.granted(), 0);
    const slowest = { milliseconds: Math.max(...all.map(([, ran]) => ran.milliseconds)) };
    stage.row(`each of the next ${all.length}, without the block`, slowest, 0, 'all fail');
  });

  await context.test('the block is written, and writing it again changes nothing', async () => {
    const line = 'postern ssh-config demo --also both --also timed';
    const wrote = await stage.run(line);
    assert.equal(wrote.code, 0, wrote.err);
    const [text, config] = [readFileSync(own), readFileSync(home.config)];
    assert.match(text.toString(), /^Match !canonical originalhost demo,both,timed,10\.77\.0\.1,fd77::1 !exec/m);
    assert.match(text.toString(), /^Match originalhost demo\n {4}HostName 10\.77\.0\.1\n {4}HostKeyAlias demo\n/m);
    assert.match((await stage.run(line)).out, /^nothing to change/);
    assert.deepEqual([readFileSync(own), readFileSync(home.config)], [text, config]);
  });

  for (const [what, line] of Object.entries(LINES)) {
    await context.test(what, async () => {
      await stage.works(what, line);
    });
  }

  await context.test('ten at once, for one connection each', async () => {
    await stage.close();
    await stage.atOnce('ten at once, single-use', (i) => `ssh -4 both echo number ${i}`, 10);
  });

  await context.test('ten at once, with a grant that they share', async () => {
    const wrote = await stage.run(
      'postern ssh-config demo --service timed --also timed --also both --print > timed.conf',
    );
    assert.equal(wrote.code, 0, wrote.err);
    writeFileSync(
      join(home.directory, 'timed.conf'),
      `${readFileSync(join(home.directory, 'timed.conf'), 'utf8')}Match all\n${before.toString()}`,
      { mode: 0o600 },
    );
    await stage.atOnce('ten at once, timed', (i) => `ssh -4 -F timed.conf timed echo number ${i}`, 10);
  });

  await context.test('what connects nowhere does not knock', async () => {
    const asked = await stage.works('ssh -G', 'ssh -G both >/dev/null', 'as editors do');
    assert.equal(asked.grants, 0);
  });

  await context.test('a configuration that is read twice knocks once', async () => {
    another('twice', 'Match final all\n  Compression no\n');
    const block = readFileSync(own);
    writeFileSync(join(home.directory, 'twice/postern.conf'), block, { mode: 0o600 });
    const config = join(home.directory, 'twice/config');
    writeFileSync(config, `Include ${join(home.directory, 'twice/postern.conf')}\n${readFileSync(config, 'utf8')}`);
    const final = await stage.works('Match final', 'ssh -4 -F twice/config both true', 'Fedora has one for all hosts');
    assert.equal(final.grants, 1);
    const canonical = await stage.works(
      'CanonicalizeHostname',
      'ssh -4 -o CanonicalizeHostname=always both true',
      'always',
    );
    assert.equal(canonical.grants, 1);
  });

  await context.test('a ControlMaster is unharmed', async () => {
    const path = '-o ControlPath=cm-%C';
    await stage.works('ControlMaster, the master', `ssh -4 -M -N -f ${path} both >log 2>&1 </dev/null`);
    const through = await stage.works('ControlMaster, through it', `ssh -4 ${path} both true`, 'a needless knock');
    assert.ok(through.grants <= 1);
    const plain = await stage.works('… without the block', `ssh -4 -F none ${path} both true`, 'for comparison');
    assert.equal(plain.grants, 0);
    assert.equal((await stage.works('ssh -O exit', `ssh -4 ${path} -O exit both 2>log`)).grants, 0);
  });

  await context.test('`postern ssh` knocks once, with the block too', async () => {
    const { grants } = await stage.works('postern ssh', 'postern ssh --quiet demo true');
    assert.equal(grants, 1);
  });

  await context.test('a host behind the gate that is a gate too: the gate’s host knocks there', async () => {
    await using gate = new GateFiles(stage.inner);
    const config = ['--state', join(gate.directory, 'state'), '--socket', join(gate.runtime, 'posternd.sock')];
    const init = gate.command(
      'init',
      '--yes',
      '--name',
      'inside',
      '--address',
      INNER,
      '--service',
      'ssh=tcp/22',
      ...config,
    );
    assert.equal(init.code, 0, init.err);
    await gate.start();
    const { invite } = gate.json('user', 'add', 'jump') as { invite: string };
    gate.json('protect', 'ssh', '--try', '120');
    const jump = (line: string): string => `ssh -4 both "PATH='$PATH' XDG_CONFIG_HOME=$HOME/jump ${line}"`;
    const through = `ssh -4 -o ConnectTimeout=5 -J both ${INNER} true`;
    await stage.works('inner gate: its jump host joins', jump(`postern join ${invite} --quiet`));
    assert.equal((await stage.run(through)).code, 255, 'hidden from the jump host, too');
    stage.granted();
    await stage.works(
      'inner gate: knock on the jump host, then -J',
      `${jump('postern knock inside --quiet')} && ${through}`,
    );
  });

  await context.test('a gate that is dead costs a bounded wait and one line of ours', async () => {
    await stage.close();
    await stage.house.gate.stop('SIGKILL');
    await stage.silent('gate dead', 'ssh -4 both true');
  });

  await context.test('--remove leaves the configuration as it was, and nothing knocks any more', async () => {
    const removed = await stage.run('postern ssh-config demo --remove');
    assert.equal(removed.code, 0, removed.err);
    assert.deepEqual(readFileSync(home.config), before);
    assert.equal(existsSync(own), false);
    const ran = await stage.run('ssh -4 both true');
    assert.equal(ran.code, 255);
    stage.row('after --remove', ran, 0, 'fails');
  });
  stage.print(context);
});
