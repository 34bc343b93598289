/** What a knock starts from where the client is installed (docs/decisions/0007-client-start.md): `script/bundle` installs as the packages do. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runScript } from '@postern/testkit/script';
import { temporaryDirectory } from '@postern/testkit/temporary';
import { GateControl } from '../../packages/client/src/testdata/gate-control.ts';
import { launcher } from '../packaging/fast-client.ts';
import { withoutCodeCache } from '../packaging/snapshot-layout.ts';
import { ROOT } from './copy.ts';

const LIB = join(temporaryDirectory('postern-snapshot-'), 'postern');
execFileSync(join(ROOT, 'script/bundle'), [LIB], { stdio: ['ignore', 'ignore', 'inherit'] });
const POSTERN = join(LIB, 'postern');
const NODE = join(LIB, 'node');
const BLOB = join(LIB, 'snapshot/client.blob');
const SCRIPTS = join(ROOT, 'packages/client/src/testdata/scripts');

function run(program: string, words: readonly string[], environment = {}): SpawnSyncReturns<string> {
  const home = join(LIB, 'nobody');
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, TZ: 'Asia/Tokyo', ...environment };
  return spawnSync(program, words, { env, encoding: 'utf8', timeout: 60_000 });
}

for (const file of readdirSync(SCRIPTS).filter((name) => ['join-and-knock.txt', 'files.txt'].includes(name))) {
  test(`it does what ${file} says, as the client from the source does`, { timeout: 120_000 }, async () => {
    await using gate = await GateControl.start();
    await runScript(readFileSync(join(SCRIPTS, file), 'utf8'), {
      programs: { postern: [POSTERN] },
      commands: {
        gate: async (words, state) => {
          state.environment['XDG_CONFIG_HOME'] = join(state.directory, 'config');
          if (words[0] === 'stop') return gate[Symbol.asyncDispose]();
          const to = words.indexOf('>');
          const answer = await gate.ask(words.slice(0, to < 0 ? undefined : to).join(' '));
          if (to >= 0) writeFileSync(join(state.directory, words[to + 1] ?? ''), `${answer}\n`);
        },
      },
    });
  });
}

test('whatever is typed, it says and returns what the script does', () => {
  const lines = [
    'knock',
    'knock --help',
    'knock nobody',
    'knock nobody --json',
    'knock nobody --frobnicate',
    'knock nobody --keyed --check x',
    'knock --sequence tcp/1 does-not-exist.invalid',
    'knock --door front 192.0.2.1',
    'close nobody',
    'ssh',
    'ssh --help',
    'ssh nobody true',
  ];
  for (const line of lines) {
    const words = line.split(' ');
    const [quick, plain] = [run(POSTERN, words), run(NODE, [join(LIB, 'client/main.js'), ...words])];
    assert.deepEqual([quick.status, quick.stdout, quick.stderr], [plain.status, plain.stdout, plain.stderr], line);
    assert.doesNotMatch(quick.stderr, /internal error|Warning/, line);
  }
});

/** The hash that stands before the length of a name in V8's heap. */
function hashOf(name: string, blob: Buffer): string {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(name.length);
  const at = blob.indexOf(Buffer.concat([size, Buffer.from(name)]));
  assert.ok(at > 4, name);
  return blob.toString('hex', at - 4, at);
}

test('no key of the rehearsal is in it, and another seed for hashes than in any other', () => {
  const keys = temporaryDirectory('postern-rehearsal-');
  const blob = join(keys, 'blob');
  execFileSync(NODE, ['--snapshot-blob', blob, '--build-snapshot', join(LIB, 'client/rehearse.js'), keys], {
    stdio: 'ignore',
  });
  const made = readFileSync(blob);
  const host = JSON.parse(readFileSync(join(keys, 'hosts/gate.json'), 'utf8')) as unknown;
  const secrets: string[] = [];
  JSON.stringify(host, (key, value: unknown) => {
    if (typeof value === 'string' && /^([0-9a-f]{2}){32,}$/.test(value) && !/x25519|xwing/.test(key))
      secrets.push(value);
    return value;
  });
  assert.ok(secrets.length >= 3, 'a seed, a gate key and a knock key');
  for (const secret of secrets)
    for (const form of [
      secret,
      secret.slice(0, 32),
      Buffer.from(secret, 'hex'),
      Buffer.from(secret, 'hex').subarray(16),
    ])
      assert.equal(made.includes(form), false);
  assert.doesNotMatch(made.toString('latin1'), /postern-invite-1-[\w-]{20}/);
  assert.notEqual(hashOf('constructor', made), hashOf('constructor', readFileSync(BLOB)));
  assert.ok(made.length > withoutCodeCache(made).length + 1e6, 'the code of Node is found');
});

/** The name of the first datagram, and what it begins with. */
async function firstDatagram(port: (port: number) => void): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  port(socket.address().port);
  const [datagram] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return datagram;
}

test('two starts have nothing random in common, and a signal ends each', { timeout: 60_000 }, async () => {
  await using gate = await GateControl.start();
  const config = temporaryDirectory('postern-config-');
  const invite = await gate.ask('invite');
  assert.equal(run(POSTERN, ['join', invite, '--config', config]).status, 0);
  const host = join(config, 'hosts/gate.json');
  const text = readFileSync(host, 'utf8');
  const seen: Buffer[] = [];
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    let child: ReturnType<typeof spawn> | undefined;
    const datagram = await firstDatagram((port) => {
      writeFileSync(host, text.replace(/"port": \d+/, `"port": ${port}`));
      child = spawn(POSTERN, ['knock', 'gate', '--config', config], { stdio: 'ignore' });
    });
    seen.push(datagram);
    assert.ok(child !== undefined);
    const ended = once(child, 'exit');
    child.kill(signal);
    assert.deepEqual(await ended, [null, signal]);
  }
  for (const size of [8, 12, 64])
    assert.notDeepEqual(seen[0]?.subarray(0, size), seen[1]?.subarray(0, size), `the first ${size} bytes`);
});

test('the launcher takes it only for the very Node and client that it was made of', () => {
  const lib = temporaryDirectory('postern-launcher-');
  const at = (path: string): string => join(lib, path);
  for (const name of ['client', 'snapshot']) mkdirSync(at(name));
  writeFileSync(at('postern'), launcher(lib), { mode: 0o755 });
  writeFileSync(at('node'), '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
  writeFileSync(at('client/client.js'), '');
  linkSync(at('node'), at('snapshot/node'));
  const say = (words: string, environment = {}): string => run(at('postern'), words.split(' '), environment).stdout;
  const taken = (words = 'knock web1', environment = {}): boolean => /--snapshot-blob/.test(say(words, environment));
  const age = (path: string, seconds: number): void => {
    utimesSync(at(path), Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);
  };
  assert.equal(taken(), false, 'there is none');
  writeFileSync(at('snapshot/client.blob'), '');
  for (const [path, seconds] of [
    ['node', 60],
    ['client/client.js', 60],
    ['snapshot/client.blob', 30],
  ] as const)
    age(path, seconds);
  assert.equal(taken(), true);
  assert.match(say('knock a b'), /main\.js knock a b\n$/);
  assert.equal(say('hosts'), `${at('client/main.js')} hosts\n`, 'other commands start from the script');
  assert.equal(taken('knock web1', { NODE_OPTIONS: '--max-old-space-size=64' }), false);
  age('node', 10);
  assert.equal(taken(), false, 'Node was overwritten');
  age('node', 60);
  age('client/client.js', 10);
  assert.equal(taken(), false, 'the client was');
  age('client/client.js', 60);
  copyFileSync(at('node'), at('other'));
  rmSync(at('node'));
  copyFileSync(at('other'), at('node'));
  age('node', 60);
  assert.equal(taken(), false, 'Node is another file');
});

test('where it cannot be made, that is said in one line, nothing is left of it, and the client works', () => {
  const broken = join(LIB, 'client/rehearse.js');
  const good = readFileSync(broken);
  const before = statSync(BLOB).mtimeMs;
  writeFileSync(broken, 'process.stderr.write("no loopback\\n"); process.exit(1);');
  try {
    const made = run(NODE, [join(LIB, 'client/make-snapshot.js')]);
    assert.equal(made.status, 1);
    assert.match(made.stderr, /^postern: note: .*\n$/);
    assert.equal(existsSync(join(LIB, 'snapshot')), false);
    assert.match(run(POSTERN, ['knock', 'nobody']).stderr, /there is no host "nobody"/);
  } finally {
    writeFileSync(broken, good);
  }
  assert.equal(run(NODE, [join(LIB, 'client/make-snapshot.js')]).status, 0);
  assert.ok(statSync(BLOB).mtimeMs >= before);
});

test('a file without a list of code stays as it is', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(100), Buffer.from('not a snapshot at all, of some length')])
    assert.deepEqual(withoutCodeCache(bytes), bytes);
});
