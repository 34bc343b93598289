import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import { PROGRAMS } from '../gate-process.ts';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A live ssh session with a shell, to type into. */
class Session implements Disposable {
  readonly #process: ChildProcess;
  #heard = '';

  constructor(house: Household, sshd: Sshd) {
    this.#process = house.world.spawn(
      'ssh',
      ['-T', ...sshd.clientArguments, '-o', 'ServerAliveInterval=0', GATE[4], 'exec sh'],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    this.#process.stdout?.on('data', (chunk: Buffer) => (this.#heard += chunk.toString()));
    this.#process.stderr?.on('data', (chunk: Buffer) => (this.#heard += chunk.toString()));
  }

  /** Types a line; what the shell printed until the line's own end mark. */
  async type(line: string, seconds = 20): Promise<string> {
    const mark = `end-${Math.random().toString(36).slice(2)}`;
    const from = this.#heard.length;
    this.#process.stdin?.write(`${line}\necho ${mark} $?\n`);
    const deadline = Date.now() + seconds * 1000;
    while (!new RegExp(`${mark} \\d`).test(this.#heard.slice(from))) {
      if (Date.now() > deadline) assert.fail(`the session did not answer: ${this.#heard.slice(from)}`);
      await sleep(20);
    }
    return this.#heard.slice(from);
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}

test(
  'protect on trial: an idle session on a host that tracked nothing lives, cannot confirm, and unconfirmed all is undone',
  { skip, timeout: 240_000 },
  async (context) => {
    await using house = await Household.build({ start: false });
    await using sshd = await Sshd.start(house.gateSide);
    const tracked = (): boolean =>
      house.gateSide.run('sh', ['-c', 'cat /proc/net/nf_conntrack 2>/dev/null || true']).includes('dport=22');
    using session = new Session(house, sshd);
    await session.type('true');
    assert.equal(tracked(), false);
    await house.gate.start();
    house.join();
    const seconds = 75;
    assert.match(house.gate.command('protect', 'ssh', '--try', '60').err, /--force/);
    const { until } = house.gate.json('protect', 'ssh', '--try', String(seconds), '--force') as { until: string };
    assert.equal(await house.reaches(22, STRANGER[4]), false);

    await context.test('it cannot be confirmed from the session that was open before', async () => {
      const confirm = [...PROGRAMS.posternd, 'confirm', '--config', house.gate.config].join(' ');
      const said = await session.type(`${confirm} 2>&1`);
      assert.match(said, /was open before/);
      assert.doesNotMatch(said, /end-\w+ 0/);
    });

    await context.test('after a minute of silence the session still types', async () => {
      await sleep(60_000);
      assert.match(await session.type('echo I am still here'), /I am still here/);
    });

    await context.test('unconfirmed, the kernel undoes it, although the daemon was killed', async () => {
      await house.gate.stop('SIGKILL');
      await sleep(Math.max(0, Date.parse(until) - Date.now()) + 500);
      assert.equal(await house.reaches(22, STRANGER[4]), true);
      assert.match(await session.type('echo and I too'), /and I too/);
    });

    await context.test('started again, nothing is protected', async () => {
      await house.gate.start();
      const { services } = house.gate.json('status') as { services: { protection: string }[] };
      assert.equal(services[0]?.protection, 'open');
      assert.equal(await house.reaches(22, STRANGER[4]), true);
    });
  },
);

test(
  'a new connection confirms; the protection then outlives the try, the daemon and a restart, and unprotect ends it',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build();
    await using sshd = await Sshd.start(house.gateSide);
    house.join();
    house.gate.json('protect', 'ssh', '--try', '10', '--force');
    assert.equal(house.postern('knock', 'demo', '-4').code, 0);
    const confirm = [...PROGRAMS.posternd, 'confirm', '--config', house.gate.config, '--json'].join(' ');
    const said = house.world.run('ssh', [...sshd.clientArguments, '-o', `BindAddress=${DEVICE[4]}`, GATE[4], confirm]);
    assert.deepEqual(JSON.parse(said), { services: ['ssh'] });
    await sleep(11_000);
    assert.equal(await house.reaches(22, STRANGER[4]), false);
    assert.equal(await house.reaches(22, STRANGER[6]), false);
    await house.gate.stop('SIGKILL');
    house.gateSide.run('nft', ['delete', 'table', 'inet', 'postern']);
    await house.gate.start();
    assert.equal(await house.reaches(22, STRANGER[4]), false);
    house.gate.json('unprotect', 'ssh');
    assert.equal(await house.reaches(22, STRANGER[4]), true);
  },
);
