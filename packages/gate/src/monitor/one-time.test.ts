import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '@postern/testkit/temporary';
import type { Door } from '../config/model.ts';
import type { NumberedSequence } from './door-table.ts';
import { OneTimeFiles } from './one-time.ts';

/** A door with a file of these lines, and what hears it. */
function doorWith(...lines: readonly string[]): {
  readonly door: Door;
  readonly files: OneTimeFiles;
  readonly write: (...lines: readonly string[]) => void;
  readonly lines: () => readonly string[];
} {
  const file = join(temporaryDirectory('postern-one-time-'), 'sequences');
  const write = (...all: readonly string[]): void => {
    writeFileSync(file, `${all.join('\n')}\n`, { mode: 0o600 });
  };
  write(...lines);
  const door: Door = {
    name: 'once',
    ...{ steps: undefined, oneTime: { file, lookAhead: 2 }, timeout: 1, minGap: 0, maxGap: 1, misses: 0 },
    ...{ anyOrder: false, target: undefined, opens: undefined, commands: undefined },
  };
  const read = (): string[] => readFileSync(file, 'utf8').trimEnd().split('\n');
  return { door, files: new OneTimeFiles(() => undefined), write, lines: read };
}

function firstPort({ steps }: NumberedSequence): number | undefined {
  return steps[0]?.port;
}

test('what is struck through is what was knocked, wherever an editor has moved its line meanwhile', () => {
  const { door, files, write, lines } = doorWith('7001,7002', '8001,8002');
  const [heard = assert.fail()] = files.of(door);
  write('9001,9002', '7001,7002', '8001,8002');
  assert.equal(files.use(door, heard.sequence), true);
  assert.deepEqual(lines(), ['#9001,9002', '#7001,7002', '8001,8002']);
  assert.equal(files.use(door, heard.sequence), false);
});

test('a sequence whose line was taken out opens nothing, and nothing else is struck through for it', () => {
  const { door, files, write, lines } = doorWith('7001,7002', '8001,8002');
  const [first = assert.fail()] = files.of(door);
  write('8001,8002', '9001,9002');
  assert.equal(files.use(door, first.sequence), false);
  assert.equal(files.use(door, 60_000), false);
  assert.deepEqual(lines(), ['8001,8002', '9001,9002']);
});

test('a sequence that is heard is used up also where new lines have pushed it down: its knocks were seen', () => {
  const { door, files, write, lines } = doorWith('7001,7002', '8001,8002');
  const [, second = assert.fail()] = files.of(door);
  write('1001', '1002', '8001,8002', '9001');
  assert.equal(files.use(door, second.sequence), true);
  assert.deepEqual(lines(), ['#1001', '#1002', '#8001,8002', '9001']);
});

test('a sequence keeps its number, and no other has it', () => {
  const { door, files, write } = doorWith('7001,7002', '8001,8002');
  const [first = assert.fail(), second = assert.fail()] = files.of(door);
  assert.deepEqual(files.of(door), [first, second]);
  write('9001,9002', '7001,7002', '8001,8002');
  const [added = assert.fail(), moved] = files.of(door);
  assert.deepEqual([firstPort(added), moved], [9001, first]);
  assert.ok(![first.sequence, second.sequence].includes(added.sequence));
});
