/** The client as the packages install it: one script with compiled code beside it (docs/decisions/0007-client-start.md). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { runScript } from '@postern/testkit/script';
import { GateControl } from '../../packages/client/src/testdata/gate-control.ts';
import { writeTree } from '../packaging/entry.ts';
import { fastClient } from '../packaging/fast-client.ts';
import { ROOT } from './copy.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-fast-client-'));
after(() => {
  rmSync(directory, { recursive: true });
});
const entries = await fastClient('.', '9.9.9');
writeTree(directory, entries, 0);
const MAIN = join(directory, 'main.js');
const SCRIPTS = join(ROOT, 'packages/client/src/testdata/scripts');

test('the same source gives the same bytes, compiled code too', async () => {
  assert.deepEqual(await fastClient('.', '9.9.9'), entries);
});

test('V8 takes the compiled code, and does without where it is of another Node', () => {
  const main = readFileSync(MAIN, 'utf8');
  const telling = main.replace(/^new Script\((.*)\)\.runIn[^]*/m, 'console.log(new Script($1).cachedDataRejected)');
  writeFileSync(join(directory, 'telling.js'), telling);
  const run = (file: string): string =>
    execFileSync(process.execPath, [join(directory, file), '--version'], { encoding: 'utf8' }).trim();
  assert.equal(run('telling.js'), 'false');
  writeFileSync(join(directory, 'client.cache'), 'of another Node');
  try {
    assert.equal(run('telling.js'), 'true');
    assert.match(run('main.js'), /^postern \d/);
  } finally {
    writeFileSync(join(directory, 'client.cache'), entries.find(({ path }) => path.endsWith('.cache'))?.content ?? '');
  }
});

for (const file of readdirSync(SCRIPTS).filter((name) => ['join-and-knock.txt', 'files.txt'].includes(name))) {
  test(`it does what ${file} says, as the client from the source does`, { timeout: 120_000 }, async () => {
    await using gate = await GateControl.start();
    await runScript(readFileSync(join(SCRIPTS, file), 'utf8'), {
      programs: { postern: [process.execPath, MAIN] },
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
