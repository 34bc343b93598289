import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { Household } from '@postern/testkit/household';
import { namespacesAvailable } from '@postern/testkit/namespace';
import { until } from './until.fixture.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

test('SIGHUP reads the configuration again', { skip, timeout: 60_000 }, async (context) => {
  await using house = await Household.build({
    services: '[services.ssh]\nports = ["tcp/22"]\nseconds = 300\nprotect = true\nsingle_use = false\n',
  });
  const { gate } = house;
  house.join();
  assert.equal((await house.posternLater('knock', 'demo', '-4')).code, 0);
  const users = join(gate.directory, 'users.d');
  const { pid } = gate;
  const sentry = gate.sentryPids();
  const names = (): string[] =>
    (gate.json('user', 'list') as { users: { name: string }[] }).users.map(({ name }) => name);
  const held = (): string[] =>
    (gate.json('grant', 'list') as { grants: { id: string; user: string; ends: string }[] }).grants.map(
      ({ id, user, ends }) => `${id} ${user} ${ends.slice(0, 18)}`,
    );
  /** Sends the signal and returns the line of the log that it draws. */
  const reload = async (line: RegExp): Promise<string> => {
    const from = gate.log.length;
    process.kill(pid, 'SIGHUP');
    await until(
      () => line.test(gate.log.slice(from)),
      String(line),
      () => gate.log,
    );
    return line.exec(gate.log.slice(from))?.[0] ?? '';
  };
  const [grant] = house.grants();
  const granted = held();
  assert.match(granted[0] ?? '', /^[0-9a-f]{16} alice /);
  const elements = (): (string | undefined)[] => house.grants().map((text) => text.replace(/expires \w+/, ''));

  await context.test('a user that was added is there, and no grant ends or changes', async () => {
    writeFileSync(join(users, 'bob.toml'), 'services = ["ssh"]\n', { mode: 0o600 });
    assert.deepEqual(names(), ['alice']);
    await reload(/^posternd: configuration read again .*$/m);
    assert.deepEqual(names(), ['alice', 'bob']);
    assert.deepEqual(held(), granted);
    assert.deepEqual(elements(), [grant?.replace(/expires \w+/, '')]);
  });

  await context.test('a file that is wrong is told of with line and column, and changes nothing', async () => {
    const whole = readFileSync(gate.config, 'utf8');
    writeFileSync(join(users, 'carol.toml'), 'services = ["ssh"]\n', { mode: 0o600 });
    const broken = [
      ['[services.ssh]\nports = ["tcp/22"', 'posternd\\.toml:\\d+:\\d+'],
      [`${whole}\n[services.web]\nports = ["tcp/443"]\nsecnds = 3\n`, 'posternd\\.toml:\\d+:1: .*secnds'],
      [`${whole}\n[services.web]\n`, 'posternd\\.toml:\\d+:\\d+: services\\.web: `ports` is missing'],
    ] as const;
    for (const [text, said] of broken) {
      writeFileSync(gate.config, text);
      await reload(new RegExp(`^posternd: error: the configuration was not taken: .*${said}.*$`, 'm'));
      writeFileSync(gate.config, whole);
      assert.deepEqual(names(), ['alice', 'bob'], 'not even the user whose file is right');
    }
    const bob = join(users, 'bob.toml');
    writeFileSync(bob, 'services = [\n"ssh",\nsssh\n');
    const line = await reload(/^posternd: error: the configuration was not taken: .*$/m);
    assert.match(line, /bob\.toml:3:\d+/);
    assert.deepEqual(held(), granted);
    assert.equal((await house.posternLater('knock', 'demo', '-4')).code, 0, 'and knocks open as before');
    writeFileSync(bob, 'services = ["ssh"]\n');
    await reload(/^posternd: configuration read again .*$/m);
    assert.deepEqual(names(), ['alice', 'bob', 'carol']);
  });

  await context.test('who was removed loses the grants, nobody else; and the daemon is the same', async () => {
    const away = join(gate.directory, 'alice.toml');
    renameSync(join(users, 'alice.toml'), away);
    await reload(/^posternd: configuration read again .*$/m);
    assert.deepEqual(house.grants(), []);
    assert.deepEqual(held(), []);
    renameSync(away, join(users, 'alice.toml'));
    rmSync(join(users, 'carol.toml'));
    await reload(/^posternd: configuration read again .*$/m);
    assert.equal((await house.posternLater('knock', 'demo', '-4')).code, 0);
    assert.deepEqual([gate.pid, gate.sentryPids()], [pid, sentry]);
  });
});
