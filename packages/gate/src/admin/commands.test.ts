import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { runScript, type ScriptState } from '@postern/testkit/script';
import { makePlace } from '../config/testing.ts';
import { AdminServer } from '../monitor/admin-server.ts';
import { program } from '../program.ts';
import { cannedHandlers } from './testdata/canned-handlers.ts';

const MAIN = join(import.meta.dirname, '../main.ts');
const SCRIPTS = join(import.meta.dirname, 'testdata/scripts');
const POSTERND = [process.execPath, '--conditions=source', MAIN];

type Odd = 'silent' | 'babbling' | 'foreign' | 'half';

/** A daemon of another kind: what a command says when it meets one. */
async function oddDaemon(socket: string, kind: Odd): Promise<AsyncDisposable> {
  const server = createServer((connection) => {
    connection.on('error', () => undefined);
    connection.once('data', () => {
      if (kind === 'silent') connection.end();
      if (kind === 'half') connection.end('{"ok":tr');
      if (kind === 'foreign') connection.write('SSH-2.0-OpenSSH_9.2\r\n');
      if (kind === 'babbling') connection.write('x'.repeat((1 << 20) + 1));
    });
  });
  mkdirSync(dirname(socket), { recursive: true });
  server.listen(socket);
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

for (const file of readdirSync(SCRIPTS).sort()) {
  test(`posternd does what ${file} says`, { timeout: 300_000 }, async () => {
    let daemon: AsyncDisposable | undefined;
    const stop = async (): Promise<void> => {
      await daemon?.[Symbol.asyncDispose]();
      daemon = undefined;
    };
    try {
      await runScript(readFileSync(join(SCRIPTS, file), 'utf8'), {
        programs: { posternd: POSTERND },
        commands: {
          // `configure FILE [TO]` writes a configuration in which $WORK is this directory.
          configure: ([from = '', to = 'etc/posternd.toml'], { directory }: ScriptState) => {
            mkdirSync(dirname(join(directory, to)), { recursive: true, mode: 0o700 });
            const text = readFileSync(join(directory, from), 'utf8').replaceAll('$WORK', directory);
            writeFileSync(join(directory, to), text, { mode: 0o600 });
          },
          // `daemon [ODD]` starts one that answers, or one of another kind; `daemon stop` ends it.
          daemon: async ([kind], { directory }) => {
            await stop();
            const socket = join(directory, 'run/posternd.sock');
            if (kind === undefined) {
              daemon = await AdminServer.listen(socket, cannedHandlers(join(directory, 'etc/posternd.toml')));
            } else if (kind !== 'stop') daemon = await oddDaemon(socket, kind as Odd);
          },
          // `json` the last program's output is one JSON document.
          json: (_words, { stdout }) => {
            assert.equal(typeof JSON.parse(stdout), 'object');
            assert.match(stdout, /^[^\n]*\n$/, 'one line');
          },
          // `lines N` it has so many lines.
          lines: ([number], { stdout }) => {
            assert.equal(stdout.split('\n').length - 1, Number(number));
          },
        },
      });
    } finally {
      await stop();
    }
  });
}

test('every command has examples that begin with the program, a summary, and --config', () => {
  for (const { name, summary, examples, options = [] } of program.commands) {
    assert.match(summary, /^[a-z].*[^.]$/, name);
    assert.ok(examples.length > 0, name);
    for (const { line, does } of examples) assert.match(`${line} ${does}`, /posternd .*[^.]$/, name);
    // A script for a shell, and what other programs of ours call: whatever the configuration says.
    if (['completion', 'send-raw', 'draw-qr'].includes(name)) continue;
    assert.ok(
      options.some((option) => option.name === 'config'),
      name,
    );
    assert.equal(
      options.some((option) => option.name === 'json'),
      name !== 'run',
      name,
    );
  }
});

test(
  'on a terminal init asks, says what is wrong with an answer, and takes what it offers',
  { timeout: 60_000 },
  async () => {
    using place = makePlace();
    const config = place.path('etc/posternd.toml');
    const command = [...POSTERND, 'init', '--config', config, '--state', place.path('state')];
    const child = spawn('script', ['-qfec', command.map((word) => `'${word}'`).join(' '), '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], TERM: 'dumb', SSH_CONNECTION: '198.51.100.7 50000 203.0.113.5 2222' },
    });
    let shown = '';
    const answers: [RegExp, string][] = [
      [/Name of this gate \[.*\]: $/, 'bad name!'],
      [/a name is 1 to 64 .*\r?\n.*Name of this gate \[.*\]: $/, 'web1'],
      [/Addresses or host names .*\]?: $/, '203.0.113.5, gate.example.org'],
      [/UDP port for knocks \[62201\]: $/, '0'],
      [/a port is a number .*\r?\n.*UDP port for knocks \[62201\]: $/, ''],
      [/Service to hide \[ssh=tcp\/2222\]: $/, ''],
    ];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      const [next] = answers;
      if (next?.[0].test(shown.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '')) === true) {
        answers.shift();
        child.stdin.write(`${next[1]}\r`);
        shown = '';
      }
    });
    await once(child, 'close');
    assert.equal(child.exitCode, 0, shown);
    assert.deepEqual(answers, []);
    const text = place.read('etc/posternd.toml');
    assert.match(text, /^name = "web1"$/m);
    assert.match(text, /^addresses = \["203\.0\.113\.5", "gate\.example\.org"\]$/m);
    assert.match(text, /^ports = \["tcp\/2222"\]$/m);
  },
);

test('who ends the questions ends init, and nothing was made', { timeout: 60_000 }, async () => {
  using place = makePlace();
  const command = [...POSTERND, 'init', '--config', place.path('etc/posternd.toml'), '--state', place.path('state')];
  const child = spawn('script', ['-qfec', command.map((word) => `'${word}'`).join(' '), '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TERM: 'dumb' },
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (/Name of this gate .*: $/.test(shown)) child.stdin.write('\u0003');
  });
  await once(child, 'close');
  assert.equal(child.exitCode, 1);
  assert.match(shown, /posternd: error: the questions were not answered\r?\nposternd: hint: nothing was changed/);
  assert.deepEqual(readdirSync(place.directory), []);
});
