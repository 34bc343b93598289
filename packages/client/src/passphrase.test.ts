import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { EXIT, PersonError } from '@postern/terminal';
import { askNewPassphrase, askPassphrase } from './passphrase.ts';

const ASK = `
import { askPassphrase } from ${JSON.stringify(join(import.meta.dirname, 'passphrase.ts'))};
try { console.log('got <' + askPassphrase('secret? ', {}) + '>'); } catch (error) { console.log('none: ' + error.message); }
`;

/** Types at a terminal of its own (util-linux script), as soon as the question stands there; returns what the screen showed. */
async function typing(keys: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-typing-'));
  try {
    const command = `stty -a > before; "$NODE" --conditions=source --input-type=module -e "$ASK"; stty -a > after; cmp before after && echo restored`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: directory,
      env: { PATH: process.env['PATH'], NODE: process.execPath, ASK },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!shown.includes('secret? ') && (shown + text).includes('secret? ')) child.stdin.write(keys);
      shown += text;
    });
    await once(child, 'close');
    return shown.replaceAll('\r', '');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test(
  'a passphrase is read from the terminal and not shown, and the terminal is as before',
  { timeout: 60_000 },
  async () => {
    assert.equal(await typing('throw-away\r'), 'secret? \ngot <throw-away>\nrestored\n');
  },
);

test('a character can be taken back, also one of several bytes, and the whole line', { timeout: 60_000 }, async () => {
  assert.match(await typing('wrong\x15abé\x7f\x7fc\n'), /got <ac>\nrestored/);
});

test('giving up with Ctrl-C leaves the terminal as it was', { timeout: 60_000 }, async () => {
  assert.equal(await typing('half\x03'), 'secret? \nnone: given up: no passphrase\nrestored\n');
});

test('where nobody can be asked, the error says how somebody could', { timeout: 60_000 }, async () => {
  // A session of its own has no terminal.
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', ASK], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  await once(child, 'close');
  assert.equal(shown, 'none: the key of this host has a passphrase, and there is no terminal to ask for it\n');
});

test('the program that asks is given the question, and its failure shows nothing of what it said', () => {
  assert.equal(askPassphrase('the question', { POSTERN_ASKPASS: '/bin/echo' }), 'the question');
  assert.throws(
    () => askPassphrase('the question', { POSTERN_ASKPASS: '/bin/false' }),
    (error) => error instanceof PersonError && error.message === '/bin/false gave no passphrase: it ended with 1',
  );
});

test('a new passphrase is asked for twice, and is not short', () => {
  const answers = (...given: string[]) => {
    return (): string => given.shift() ?? assert.fail('asked too often');
  };
  assert.equal(askNewPassphrase('web1', answers('throw-away', 'throw-away')), 'throw-away');
  for (const given of [['short', 'short'], ['throw-away', 'throw-awax'], ['']]) {
    assert.throws(
      () => askNewPassphrase('web1', answers(...given)),
      (error) => error instanceof PersonError && error.exitCode === EXIT.usage,
    );
  }
});
