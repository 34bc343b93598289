import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { namespacesAvailable } from '../namespace.ts';
import { INNER, Stage } from '../openssh-stage.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

const LINES = {
  'ssh, a name that only Postern knows': 'ssh demo true',
  'ssh -4': 'ssh -4 both true',
  scp: 'scp -q site/page both:$HOME/to/scp',
  sftp: 'echo "put site/page $HOME/to/sftp" | sftp -q -b - both',
  rsync: 'rsync -a site/ both:$HOME/to/rsync/',
  'git clone': 'git clone -q both:$HOME/repo to/clone',
  'ssh -J: through the gate to a host behind it': `ssh -J both ${INNER} true`,
  'postern ssh': 'postern ssh --quiet demo true',
};

test('OpenSSH connects through postern', { skip, timeout: 280_000 }, async (context) => {
  await using stage = await Stage.build();
  const wrote = await stage.run('postern ssh-config demo --proxy-command --also both');
  assert.equal(wrote.code, 0, wrote.err);

  for (const [what, line] of Object.entries(LINES)) {
    await context.test(what, async () => {
      const { grants } = await stage.works(what, line);
      assert.equal(grants, 1, 'over the family that is used');
    });
  }

  await context.test('ssh -6 goes over IPv6, to a name that only Postern knows too', async () => {
    const { out } = await stage.works('ssh -6', `ssh -6 demo 'echo $SSH_CONNECTION'`);
    assert.match(out, /fd77::1/);
  });

  await context.test('ten at once, for one connection each', async () => {
    await stage.close();
    await stage.atOnce('ten at once, single-use', (i) => `ssh -4 both echo number ${i}`, 10);
  });

  await context.test('only a connection that is made knocks', async () => {
    const path = '-o ControlPath=cm-%C';
    assert.equal((await stage.works('ssh -G', 'ssh -G both >log')).grants, 0);
    await stage.works('ControlMaster, the master', `ssh -4 -M -N -f ${path} both >log 2>&1 </dev/null`);
    assert.equal((await stage.works('ControlMaster, through it', `ssh -4 ${path} both true`)).grants, 0);
    await stage.run(`ssh ${path} -O exit both`);
  });

  await context.test('many bytes', async () => {
    await stage.run('head -c 64M /dev/zero > many');
    await stage.works('64 MB by scp', 'scp -q -4 many both:$HOME/to/many');
    await stage.works(
      '64 MB by scp, not through postern',
      'postern knock -q -4 demo && scp -q -4 -o ProxyCommand=none -o HostName=10.77.0.1 many demo:$HOME/to/many',
    );
  });

  await context.test('a gate that is dead costs a bounded wait and one line of ours', async () => {
    await stage.close();
    await stage.house.gate.stop('SIGKILL');
    await stage.silent('gate dead', 'ssh -4 both true');
  });
  stage.print(context);
});
