import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEVICE, GATE, Household } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { sendTables, type PortKnock } from '../port-knocker.ts';
import { temporaryDirectory } from '../temporary.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const SSH = '[services.ssh]\nports = ["tcp/22"]\nprotect = true\n';

/** What commands wrote, line by line, once there are `count` lines; what there is after eight seconds otherwise. */
async function linesOf(file: string, count: number): Promise<string[]> {
  const deadline = Date.now() + 8_000;
  for (;;) {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    if (lines.length >= count || Date.now() > deadline) return lines;
    await sleep(50);
  }
}

test(
  'commands of doors: no shell, another user, a time limit, and a stop command that also comes after kill -9',
  { skip, timeout: 120_000 },
  async (context) => {
    const directory = temporaryDirectory('postern-commands-');
    chmodSync(directory, 0o777);
    const file = join(directory, 'said');
    const say = (words: string): string =>
      JSON.stringify(['/bin/sh', '-c', `echo "$@" "$(id -u):$(id -G)" >> ${file}`, 'sh', ...words.split(' ')]);
    await using house = await Household.build({
      services: `${SSH}
[doors.front]
sequence = ["tcp/7001", "tcp/7002"]
start = ${say('start {source} {door} {family} {target} x{source}y $(id) ;')}
start6 = []
stop = ${say('stop {source}')}
stop6 = ${say('stop6 {source}')}
stop_after = 3

[doors.slow]
sequence = ["tcp/7003"]
start = ["/bin/sh", "-c", "echo before; sleep 30 & sleep 31; echo never"]
time_limit = 0.5
user = "root"

[doors.loud]
sequence = ["tcp/7004"]
start = ["/bin/sh", "-c", "yes loud | head -c 100000; printf '\\\\033[31m'; exit 3"]
`,
    });
    const knock = (knocks: readonly PortKnock[], from: string = DEVICE[4], to: string = GATE[4]): Promise<void> =>
      sendTables(house.world, from, to, knocks);

    await context.test('the arguments are what they are, and the user is nobody', async () => {
      await knock(['tcp/7001', 'tcp/7002']);
      assert.deepEqual(await linesOf(file, 1), [
        `start ${DEVICE[4]} front 4 ${GATE[4]} x${DEVICE[4]}y $(id) ; 65534:65534`,
      ]);
    });

    await context.test('who knocks again has it stay open, and it is closed once', async () => {
      await sleep(1_500);
      await knock(['tcp/7001', 'tcp/7002']);
      await sleep(2_000);
      assert.equal((await linesOf(file, 1)).length, 1, 'the stop command was moved');
      assert.deepEqual((await linesOf(file, 2)).slice(1), [`stop ${DEVICE[4]} 65534:65534`]);
    });

    await context.test('over IPv6 the commands for IPv6 run; an empty one does nothing', async () => {
      await knock(['tcp/7001', 'tcp/7002'], DEVICE[6], GATE[6]);
      assert.deepEqual((await linesOf(file, 3)).slice(2), [`stop6 ${DEVICE[6]} 65534:65534`]);
    });

    await context.test('what takes too long is ended, and all that it started', async () => {
      await knock(['tcp/7003']);
      const deadline = Date.now() + 8_000;
      while (!/how=time-limit.*output=before/.test(house.gate.log) && Date.now() < deadline) await sleep(50);
      assert.match(house.gate.log, /error: the start command failed door=slow how=time-limit .*output=before/);
      const left = house.gateSide.run('sh', ['-c', `ip netns pids ${house.gateSide.name} | xargs ps -o args= -p`]);
      assert.doesNotMatch(left, /sleep 3[01]/);
    });

    await context.test(
      'a failure is told with its exit code and the beginning of what it said, as plain text',
      async () => {
        await knock(['tcp/7004']);
        const deadline = Date.now() + 8_000;
        while (!/door=loud/.test(house.gate.log.split('opened').at(-1) ?? '') && Date.now() < deadline) await sleep(50);
        await sleep(200);
        const line = house.gate.log.split('\n').find((it) => /failed door=loud/.test(it)) ?? '';
        assert.match(line, /how=ended code=3 program=\/bin\/sh output="loud/);
        assert.ok(line.length < 4000, String(line.length));
      },
    );

    await context.test('the daemon and its runner are killed: the next start closes what was opened', async () => {
      const before = (await linesOf(file, 3)).length;
      await knock(['tcp/7001', 'tcp/7002']);
      await linesOf(file, before + 1);
      await house.gate.stop('SIGKILL');
      await sleep(3_200);
      assert.equal((await linesOf(file, before + 1)).length, before + 1);
      await house.gate.start();
      assert.deepEqual((await linesOf(file, before + 2)).slice(before + 1), [`stop ${DEVICE[4]} 65534:65534`]);
    });

    await context.test('the runner that dies is started again with the next command', async () => {
      const before = (await linesOf(file, 0)).length;
      const children = readFileSync(`/proc/${String(house.gate.pid)}/task/${String(house.gate.pid)}/children`, 'utf8');
      const runner = children
        .split(' ')
        .filter(Boolean)
        .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('runner/main'));
      assert.ok(runner !== undefined);
      const status = readFileSync(`/proc/${runner}/status`, 'utf8');
      assert.match(status, /^NoNewPrivs:\t1$/m);
      process.kill(Number(runner), 'SIGKILL');
      await sleep(200);
      await knock(['tcp/7001', 'tcp/7002']);
      assert.equal((await linesOf(file, before + 1)).length, before + 1);
    });

    await context.test('a program or a user that is not there is told when the configuration is read', async () => {
      const text = readFileSync(house.gate.config, 'utf8');
      for (const [from, to, says] of [
        ['"/bin/sh", "-c", "echo before', '"sh", "-c", "echo before', /doors\.slow\.start: there is no program "sh"/],
        ['user = "root"', 'user = "nobody2"', /doors\.slow\.user: there is no user "nobody2"/],
      ] as const) {
        writeFileSync(house.gate.config, text.replace(from, to));
        const { code, err } = house.gate.command('reload');
        assert.notEqual(code, 0);
        assert.match(err, says);
      }
      writeFileSync(house.gate.config, text);
      assert.equal(house.gate.command('reload').code, 0);
    });
  },
);

test(
  'one-time sequences: each opens once, also after kill -9; lost ones are skipped and gone',
  { skip, timeout: 120_000 },
  async (context) => {
    const file = join(temporaryDirectory('postern-one-time-'), 'sequences');
    const lines = [
      '# mine',
      '7001,7002,7003',
      '',
      '7011:udp 7012 udp/7013',
      '7021,7022',
      '7021 7022',
      '7031,7032',
      '7041,7042',
      '7051,7052',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    await using house = await Household.build({
      services: `${SSH}\n[doors.once]\none_time = ${JSON.stringify(file)}\nlook_ahead = 2\nservice = "ssh"\n`,
    });
    const knock = (...knocks: PortKnock[]): Promise<void> => sendTables(house.world, DEVICE[4], GATE[4], knocks);
    /** Knocks, and says whether that opened; closes it again. */
    const opens = async (...knocks: PortKnock[]): Promise<boolean> => {
      await knock(...knocks);
      const deadline = Date.now() + 1_500;
      while (Date.now() < deadline) {
        const { grants } = house.gate.json('grant', 'list') as { grants: { id: string }[] };
        for (const { id } of grants) house.gate.command('grant', 'end', id);
        if (grants.length > 0) return true;
        await sleep(30);
      }
      return false;
    };
    const struck = (): number[] =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, index) => (line.startsWith('#') ? [index + 1] : []));

    await context.test('the first line opens, is struck through before, and opens no more', async () => {
      assert.equal(await opens('tcp/7001', 'tcp/7002', 'tcp/7003'), true);
      assert.deepEqual(struck(), [1, 2]);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal(await opens('tcp/7001', 'tcp/7002', 'tcp/7003'), false);
    });

    await context.test(
      'a line that comes too early does not open; one within the look-ahead does, and strikes those before',
      async () => {
        assert.equal(await opens('tcp/7041', 'tcp/7042'), false);
        assert.equal(await opens('tcp/7021', 'tcp/7022'), true);
        assert.deepEqual(struck(), [1, 2, 4, 5, 6], 'and the line that says the same');
        assert.equal(await opens('tcp/7021', 'tcp/7022'), false);
        assert.equal(await opens('udp/7011', 'tcp/7012', 'udp/7013'), false);
      },
    );

    await context.test('after kill -9 nothing that was used opens again', async () => {
      assert.equal(await opens('tcp/7031', 'tcp/7032'), true);
      await house.gate.stop('SIGKILL');
      await house.gate.start();
      assert.equal(await opens('tcp/7031', 'tcp/7032'), false);
      assert.equal(await opens('tcp/7041', 'tcp/7042'), true);
    });

    await context.test(
      'the last line is used up, and that is said; a file that others can read is refused',
      async () => {
        assert.equal(await opens('tcp/7051', 'tcp/7052'), true);
        const said = /warning: a door has no one-time sequences left door=once/;
        const deadline = Date.now() + 8_000;
        while (!said.test(house.gate.log) && Date.now() < deadline) await sleep(50);
        assert.match(house.gate.log, said);
        chmodSync(file, 0o644);
        const { code, err } = house.gate.command('reload');
        assert.notEqual(code, 0);
        assert.match(err, /can be read or changed by others \(mode 0644\)/);
        chmodSync(file, 0o600);
        writeFileSync(file, '7001,here\n');
        assert.match(house.gate.command('reload').err, /sequences:1: "here" is no knock/);
        // At a start, a broken file of one door keeps nobody out who comes otherwise.
        await house.gate.stop('SIGKILL');
        await house.gate.start();
        assert.match(house.gate.log, /error: a door was left out: .*sequences:1: .*here.* is no knock/);
      },
    );
  },
);
