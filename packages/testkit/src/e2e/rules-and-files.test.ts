import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { DEVICE, Household, STRANGER } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const PROTECTED = '[services.ssh]\nports = ["tcp/22"]\nseconds = 60\nsingle_use = false\nprotect = true\n';

async function until(condition: () => boolean, what: string, log: () => string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(`${what} did not happen within 10 s:\n${log()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

test(
  'somebody flushes all firewall rules: protection and grants are back at once',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build({ services: PROTECTED });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    house.join();
    assert.equal(house.postern('knock', 'demo', '-4').code, 0);
    assert.equal(await house.reaches(22, STRANGER[4], 300), false);
    house.gateSide.run('nft', ['flush', 'ruleset']);
    await until(
      () => house.gate.log.includes('they are back grants=1'),
      'the repair',
      () => house.gate.log,
    );
    assert.equal(await house.reaches(22, STRANGER[4], 300), false);
    assert.equal(await house.reaches(22, STRANGER[6], 300), false);
    assert.equal(await house.reaches(22, DEVICE[4]), true);
  },
);

test(
  'a start that meets a broken user file leaves that user out, lets the others in, and keeps the door closed',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build({ services: PROTECTED });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    house.join();
    await house.gate.stop();
    house.gateSide.run('nft', ['flush', 'ruleset']);
    writeFileSync(join(house.gate.directory, 'users.d/bob.toml'), 'services = ["ssh"\n');
    await house.gate.start();
    assert.match(house.gate.log, /a user was left out: .*bob\.toml:\d+:\d+/);
    assert.equal(await house.reaches(22, STRANGER[4], 300), false);
    assert.equal(house.postern('knock', 'demo', '-4').code, 0);
    assert.equal(await house.reaches(22, DEVICE[4]), true);
  },
);

test(
  'a start that fails after the configuration was read leaves the door closed',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build({ services: PROTECTED, start: false });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    writeFileSync(join(house.gate.directory, 'gate.key'), 'nonsense');
    await assert.rejects(house.gate.start(), /gate\.key/);
    assert.equal(await house.reaches(22, STRANGER[4], 300), false);
  },
);

test(
  'a configuration that somebody is editing stops neither enrolment nor revocation, and nothing of it is taken',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build({ services: PROTECTED });
    const { invite } = house.gate.json('user', 'add', 'alice') as { invite: string };
    appendFileSync(house.gate.config, '\n[services.half]\nports = []\n');
    const file = join(house.gate.directory, 'users.d/alice.toml');
    house.joinWith(invite);
    assert.equal(readFileSync(file, 'utf8').match(/ed25519/g)?.length, 1);
    assert.equal(house.postern('knock', 'demo', '-4').code, 0);
    assert.equal(house.grants().length, 1);
    const revoked = house.gate.json('user', 'revoke', 'alice') as { grants: string[]; rotation: string };
    assert.deepEqual([revoked.grants.length, revoked.rotation], [1, 'started']);
    assert.equal(house.grants().length, 0);
    assert.notEqual(house.postern('knock', 'demo', '-4', '--timeout', '1').code, 0);
  },
);
