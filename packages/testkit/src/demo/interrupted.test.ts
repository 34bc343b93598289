import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { namespacesAvailable } from '../namespace.ts';
import { removeTemporary, temporaryDirectory } from '../temporary.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

/** Processes that have `word` in their environment, as every child of the demo has. */
function processesWith(word: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'latin1').includes(word);
    } catch {
      return false;
    }
  });
}

const STORY = { name: 'demo', program: 'main.ts', sign: 'the gate opened' } as const;
const VERSUS = { name: 'demo --versus', program: 'versus/main.ts', sign: 'scan in order, Postern' } as const;

for (const [{ name, program, sign }, signal] of [
  [STORY, 'SIGINT'],
  [STORY, 'SIGTERM'],
  [STORY, 'SIGHUP'],
  [VERSUS, 'SIGINT'],
] as const) {
  test(
    `a ${name} that ${signal} interrupts leaves no namespace, process or file behind`,
    { skip, timeout: 60_000 },
    async () => {
      // Directory and run are its own, so that what it leaves can be told from what other tests make meanwhile.
      const directory = temporaryDirectory('postern-demo-');
      const run = `${signal.slice(3, 4).toLowerCase()}${String(process.pid % 10_000)}`;
      const demo = spawn(process.execPath, ['--conditions=source', join(import.meta.dirname, program)], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: directory, POSTERN_TEST_RUN: run },
      });
      let said = '';
      demo.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      while (!said.includes(sign)) await new Promise((done) => setTimeout(done, 50));
      assert.ok(readdirSync(directory).length >= 4);
      demo.kill(signal);
      const [code] = (await once(demo, 'exit')) as [number | null];
      assert.ok(code !== null && code > 128, `exit code ${String(code)}`);
      // what was killed is gone a moment later
      for (let i = 0; i < 50 && processesWith(directory).length > 0; i++)
        await new Promise((done) => setTimeout(done, 20));
      assert.deepEqual(processesWith(directory), []);
      assert.deepEqual(readdirSync(directory), []);
      const namespaces = readdirSync('/run/netns').filter((name) => name.includes(run));
      assert.deepEqual(namespaces, []);
      removeTemporary(directory);
    },
  );
}
