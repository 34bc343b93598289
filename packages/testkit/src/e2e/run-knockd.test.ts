import assert from 'node:assert/strict';
import { existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GateFiles, PROGRAMS } from '../gate-process.ts';
import { DEVICE, GATE } from '../household.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { sendTables } from '../port-knocker.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

/** As Debian ships it, with a door that closes by itself. */
const KNOCKD_CONF = `[options]
	UseSyslog

[openSSH]
	sequence    = 7000,8000,9000
	seq_timeout = 5
	start_command = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	cmd_timeout = 2
	stop_command = iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn
`;

test('posternd runs straight from a knockd.conf, with its iptables commands', { skip, timeout: 90_000 }, async () => {
  using gateSide = new Namespace('gate');
  using world = new Namespace('world');
  gateSide.connect(world, [`${GATE[4]}/24`], [`${DEVICE[4]}/24`]);
  await using gate = new GateFiles(gateSide);
  const knockd = join(gate.directory, 'knockd.conf');
  writeFileSync(knockd, KNOCKD_CONF);
  // Its state and socket are elsewhere only because this is a test.
  const places = ['--state', join(gate.directory, 'state'), '--socket', join(gate.runtime, 'posternd.sock')];
  const init = gate.command('init', '--yes', '--address', GATE[4], '--service', 'ssh=tcp/22', ...places);
  assert.equal(init.code, 0, init.err);
  gateSide.run('iptables', ['-P', 'INPUT', 'DROP']);
  const rules = (): string[] =>
    gateSide
      .run('iptables', ['-S', 'INPUT'])
      .split('\n')
      .filter((line) => line.includes('--dport 22'));
  const until = async (count: number): Promise<void> => {
    const deadline = Date.now() + 8_000;
    while (rules().length !== count && Date.now() < deadline) await sleep(50);
    assert.equal(rules().length, count, rules().join('\n') + gate.log);
  };

  await gate.startProgram(PROGRAMS.posternd[2], ['run', '--knockd', knockd, '--config', gate.config]);
  const knock = (): Promise<void> => sendTables(world, DEVICE[4], GATE[4], ['tcp/7000', 'tcp/8000', 'tcp/9000']);
  await knock();
  await until(1);
  assert.match(rules()[0] ?? '', /-s 10\.77\.0\.2\/32 .*--dport 22 -j ACCEPT/);
  await until(0);

  // It is read anew with a reload; a wrong one changes nothing.
  writeFileSync(knockd, KNOCKD_CONF.replace('7000,8000,9000', '7100:udp'));
  assert.equal(gate.command('reload').code, 0);
  await sendTables(world, DEVICE[4], GATE[4], ['udp/7100']);
  await until(1);
  writeFileSync(knockd, KNOCKD_CONF.replace('-j ACCEPT', '-j ACCEPT; id'));
  const wrong = gate.command('reload');
  assert.match(wrong.err, /knockd\.conf:7: door openSSH: start: it needs a shell, for a list \(`;`\)/);
  assert.match(wrong.err, /`posternd import knockd .*` shows the form that can be run/);
  await until(0);
});

test(
  'who comes from knockd without a configuration of ours gets one, and nothing is hidden by it',
  { skip, timeout: 60_000 },
  async () => {
    using gateSide = new Namespace('gate');
    await using gate = new GateFiles(gateSide);
    const knockd = join(gate.directory, 'knockd.conf');
    // As Debian ships it: with a door whose program no package brings.
    const broken = '[openHTTPS]\n\tsequence = 12345,54321\n\tcommand = knock_add -i -c INPUT -f %IP%\n';
    writeFileSync(knockd, `${KNOCKD_CONF}\n${broken}`);
    const view = `mount -t tmpfs -o mode=755 tmpfs /var/lib && mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/postern && exec "$@"`;
    const child = gateSide.spawn(
      'unshare',
      [
        '--mount',
        '--propagation',
        'private',
        'sh',
        '-c',
        view,
        'sh',
        process.execPath,
        ...PROGRAMS.posternd.slice(1),
        'run',
        '--knockd',
        knockd,
        '--config',
        gate.config,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const deadline = Date.now() + 20_000;
    while (!/^posternd: ready /m.test(log) && child.exitCode === null && Date.now() < deadline) await sleep(50);
    assert.match(log, /made .*posternd\.toml and its keys, without any service/);
    assert.match(log, /error: a door was left out: .*knockd\.conf:\d+: door openHTTPS: start: there is no program/);
    assert.match(log, /^posternd: ready /m);
    assert.ok(existsSync(join(gate.directory, 'gate.key')));
    assert.match(readFileSync(gate.config, 'utf8'), /^\[gate\]$/m);
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
    unlinkSync(gate.config);
  },
);
