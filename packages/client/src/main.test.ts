import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { KEYED } from '@postern/protocol';
import { runScript } from '@postern/testkit/script';
import { GateControl } from './testdata/gate-control.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const SCRIPTS = join(import.meta.dirname, 'testdata/scripts');
const POSTERN = [process.execPath, '--conditions=source', MAIN];

for (const file of readdirSync(SCRIPTS).sort()) {
  test(`the command does what ${file} says`, { timeout: 120_000 }, async () => {
    await using gate = await GateControl.start();
    const environment: Record<string, string> = {};
    await runScript(readFileSync(join(SCRIPTS, file), 'utf8'), {
      programs: { postern: POSTERN },
      environment,
      commands: {
        // `gate invite [ADDRESS…] > FILE`, or any other command of the miniature gate.
        gate: async (words, state) => {
          state.environment['XDG_CONFIG_HOME'] = join(state.directory, 'config');
          if (words[0] === 'stop') return gate[Symbol.asyncDispose]();
          const to = words.indexOf('>');
          const answer = await gate.ask(words.slice(0, to < 0 ? undefined : to).join(' '));
          if (to >= 0) writeFileSync(join(state.directory, words[to + 1] ?? ''), `${answer}\n`);
        },
        // `nosecret FILE`: no field of a host's file that holds a secret is in it.
        nosecret: ([file = ''], state) => {
          assert.doesNotMatch(
            readFileSync(join(state.directory, file), 'utf8'),
            /seed|gateKey|formerKey|knockKey|stateId|x25519/,
          );
        },
        // `room-in-slot SECONDS`: waits for the next slot of keyed knocking where this one ends sooner.
        'room-in-slot': async ([seconds = '']) => {
          const left = (KEYED.slot - ((Date.now() * 1000) % KEYED.slot)) / 1000;
          if (left < Number(seconds) * 1000) await new Promise((resolve) => setTimeout(resolve, left + 50));
        },
        // `rename-host NAME`: a copied host's file is NAME's, as an older version wrote it.
        'rename-host': ([name = ''], state) => {
          const file = join(state.directory, `config/postern/hosts/${name}.json`);
          const { knockKey, ...host } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
          assert.match(String(knockKey), /^[0-9a-f]{64}$/);
          writeFileSync(file, JSON.stringify({ ...host, name }));
        },
        // `args` runs postern with the text of FILE for each word `@FILE`.
        args: async (words, state) => {
          const read = (word: string): string =>
            word.startsWith('@') ? readFileSync(join(state.directory, word.slice(1)), 'utf8').trim() : word;
          const { stdout, code } = await postern(words.map(read), state.environment);
          Object.assign(state, { stdout, code });
          assert.equal(code, 0);
        },
      },
    });
  });
}

async function postern(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const [program = '', ...first] = POSTERN;
  const child = spawn(program, [...first, ...words], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { stdout, stderr, code: child.exitCode };
}

test('20 processes of one device knock at the same time, and every one opens', { timeout: 120_000 }, async () => {
  await using gate = await GateControl.start();
  const directory = mkdtempSync(join(tmpdir(), 'postern-parallel-'));
  try {
    const config = ['--config', directory];
    const invite = await gate.ask('invite');
    assert.equal((await postern(['join', invite, ...config], {})).code, 0);
    const results = await Promise.all(Array.from({ length: 20 }, () => postern(['knock', 'gate', ...config], {})));
    assert.deepEqual(
      results.map(({ code, stderr }) => `${code} ${stderr}`),
      Array.from({ length: 20 }, () => '0 '),
    );
    const grants = JSON.parse(await gate.ask('grants')) as unknown[];
    assert.equal(grants.length, 20);
    assert.deepEqual(readdirSync(join(directory, 'hosts')), ['gate.json'], 'no lock and no half file is left');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test(
  'nothing that is shown, with --verbose and --json too, holds a key or a part of one',
  { timeout: 60_000 },
  async () => {
    await using gate = await GateControl.start();
    const directory = mkdtempSync(join(tmpdir(), 'postern-verbose-'));
    try {
      const config = ['--config', directory];
      const invite = await gate.ask('invite');
      const shown: string[] = [];
      for (const words of [
        ['join', invite, '-v'],
        ['knock', 'gate', '-v'],
        ['knock', 'gate', '--json'],
        ['knock', '--keyed', 'gate', '-v'],
        ['knock', '--keyed', 'gate', '--json'],
        ['knock', '--print', 'gate'],
        ['hosts', '--json'],
      ]) {
        const { stdout, stderr, code } = await postern([...words, ...config], { POSTERN_DEBUG: '1' });
        assert.equal(code, 0);
        shown.push(stdout, stderr);
      }
      const text = shown.join('\n');
      const file = readFileSync(join(directory, 'hosts/gate.json'), 'utf8');
      const keys = [...file.matchAll(/"(?:seed|gateKey|formerKey|knockKey|stateId)": "([0-9a-f]+)"/g)].map(
        ([, hex = '']) => hex,
      );
      assert.ok(keys.length >= 4);
      for (const key of keys) assert.ok(!text.includes(key.slice(0, 12)));
      assert.ok(!text.includes(invite.slice(30, 60)));
      assert.match(text, /sent open for 127\.0\.0\.1/);
      assert.match(text, /receipt of open: ok, after [0-9.]+ ms, seen from 127\.0\.0\.1/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
