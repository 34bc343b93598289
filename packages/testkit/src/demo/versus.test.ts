import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fwknopAvailable } from '../fwknop-client.ts';
import { fwknopdAvailable } from '../fwknopd.ts';
import { ranToEnd, type Ran } from '../gate-process.ts';
import { knockdAvailable } from '../knockd.ts';
import { namespacesAvailable } from '../namespace.ts';

const able = namespacesAvailable() && knockdAvailable() && fwknopdAvailable() && fwknopAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT, knockd AND fwknop: script/bootstrap test';

interface Result {
  readonly contestants: readonly string[];
  readonly cells: readonly { trial: string; contestant: string; word: string; verdict: string; seconds: number }[];
}

function versus(...args: string[]): Promise<Ran> {
  const program = join(import.meta.dirname, 'versus/main.ts');
  const child = spawn(process.execPath, ['--conditions=source', program, '--versus', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return ranToEnd(child);
}

test(
  'one table of knockd, fwknopd and Postern says of each who gets in',
  { skip, timeout: 180_000 },
  async (context) => {
    const { code, out, err } = await versus('--json', '--tries', '2');
    assert.equal(code, 0, err);
    for (const line of err.trim().split('\n')) context.diagnostic(line);
    const { contestants, cells } = JSON.parse(out) as Result;
    const [knockd = '', fwknopd = '', postern = ''] = contestants;
    assert.match(contestants.join(), /^knockd \d.*,fwknopd \d.*,Postern \d/);
    const told = new Map(cells.map(({ trial, contestant, word }) => [`${trial}, ${contestant}`, word]));
    assert.equal(told.size, 18);
    const word = (trial: string, contestant: string): string => told.get(`${trial}, ${contestant}`) ?? '';

    for (const trial of ['scan', 'replay']) {
      assert.equal(word(trial, knockd), 'opens: bad');
      assert.equal(word(trial, fwknopd), 'stays shut');
      assert.equal(word(trial, postern), 'stays shut');
    }
    assert.equal(word('ipv6', knockd), 'works');
    assert.equal(word('ipv6', fwknopd), 'not supported');
    assert.equal(word('ipv6', postern), 'works');
    for (const trial of ['noise', 'loss', 'flood']) {
      for (const contestant of contestants) assert.match(word(trial, contestant), /^[012] of 2$/);
      // A machine with too much to do may keep one out.
      assert.notEqual(word(trial, postern), '0 of 2', trial);
    }
  },
);

test('a word or a number that it does not take is told in two lines', async () => {
  for (const args of [['--tries', '0'], ['--tries', 'many'], ['--verses']]) {
    const { code, out, err } = await versus(...args);
    assert.deepEqual([code, out], [2, '']);
    assert.match(err, /^demo: error: .+\ndemo: hint: .+\n$/);
  }
});
