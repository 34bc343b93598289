import assert from 'node:assert/strict';
import { rmSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { Namespace, namespacesAvailable } from '@postern/testkit';
import { GateFiles, type Ran, runProgramIn } from '@postern/testkit/gate-process';
import { Sshd } from '@postern/testkit/sshd';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'SKIPPED: network namespaces need root';
const GATE = { 4: '10.79.0.1', 6: 'fd79::1' } as const;

test(
  'a device joins a real gate and logs in to a real sshd over both families',
  { skip, timeout: 180_000 },
  async () => {
    using gateSide = new Namespace('cg');
    using deviceSide = new Namespace('cd');
    gateSide.connect(deviceSide, [`${GATE[4]}/24`, `${GATE[6]}/64`], ['10.79.0.2/24', 'fd79::2/64']);
    await using gate = new GateFiles(gateSide);
    await using sshd = await Sshd.start(gateSide);
    const addresses = ['--address', GATE[4], '--address', GATE[6]];
    const places = ['--state', join(gate.directory, 'state'), '--socket', join(gate.directory, 'posternd.sock')];
    const made = gate.command('init', '--yes', '--name', 'web1', ...addresses, '--service', 'ssh=tcp/22', ...places);
    assert.equal(made.code, 0, made.err);
    await gate.start();
    const { invite } = gate.json('user', 'add', 'alice') as { invite: string };
    const environment = { XDG_CONFIG_HOME: join(gate.directory, 'device') };
    const postern = (...words: string[]): Ran => runProgramIn(deviceSide, 'postern', words, { environment });
    const joined = runProgramIn(deviceSide, 'postern', ['join', '-'], { environment, input: invite });
    assert.equal(joined.code, 0, joined.err);
    const tried = gate.command('protect', 'ssh', '--try', '300');
    assert.equal(tried.code, 0, tried.err);
    assert.throws(
      () => deviceSide.run('ssh', [...sshd.clientArguments, '-o', 'ConnectTimeout=1', GATE[4], 'true']),
      'it is closed',
    );

    for (const family of [4, 6] as const) {
      const ran = postern('ssh', `-${family}`, ...sshd.clientArguments, 'web1', 'echo $SSH_CONNECTION; exit 7');
      assert.equal(ran.code, 7, `${ran.err}${ran.out}`);
      assert.match(ran.out, new RegExp(`${GATE[family]} 22`), 'to the address that was opened');
      assert.match(ran.err, /^postern: opened "ssh" on web1 for /);
    }
    const knownHosts = sshd.clientArguments.find((word) => word.startsWith('UserKnownHostsFile='))?.split('=')[1] ?? '';
    assert.match(readFileSync(knownHosts, 'utf8'), /^web1 ssh-ed25519 \S+$/m, 'its key is kept under its name');
    const strict = postern(
      'ssh',
      '--quiet',
      '-o',
      'StrictHostKeyChecking=yes',
      ...sshd.clientArguments,
      'web1',
      'echo in',
    );
    assert.equal(`${strict.out}${strict.err}`, 'in\n');

    const both = postern('knock', 'web1');
    assert.equal(both.code, 0, both.err);
    assert.match(both.out, /for 10\.79\.0\.2 until .*\n.*for fd79::2 until /);
    assert.equal(postern('close', 'web1').code, 0);
    assert.deepEqual(gate.json('grant', 'list'), { grants: [] });

    await gate.stop('SIGKILL');
    rmSync(join(gate.directory, 'state'), { recursive: true });
    await gate.start();
    const again = postern('knock', 'web1');
    assert.equal(again.code, 0, again.err);
    assert.match(again.err, /web1 has lost its state/);

    const revoked = gate.command('user', 'revoke', 'alice');
    assert.equal(revoked.code, 0, revoked.err);
    const silent = postern('knock', 'web1', '--timeout', '1');
    assert.equal(silent.code, 3);
    assert.match(silent.err, /no answer from web1 at 10\.79\.0\.1 and fd79::1/);
  },
);
