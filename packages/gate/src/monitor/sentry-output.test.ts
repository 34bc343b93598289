import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SentryOutput } from './sentry-output.ts';

test('lines are put together from pieces, and nothing but text comes through', () => {
  const lines: string[] = [];
  const output = new SentryOutput((line) => lines.push(line));
  output.push(Buffer.from('Error: o'));
  output.push(Buffer.from('ops\n\n\u001b[2Jé\rposternd: ready\nrest'));
  output.end();
  assert.deepEqual(lines, ['Error: oops', '\\x1b[2J\\xc3\\xa9\\x0dposternd: ready', 'rest']);
  assert.equal(output.lastLine, 'rest');
});

test('a sentry that will not stop talking is cut short', () => {
  const lines: string[] = [];
  const output = new SentryOutput((line) => lines.push(line));
  for (let count = 0; count < 10_000; count++) output.push(Buffer.from(`${'x'.repeat(1_000)}\n`));
  assert.equal(lines.length, 40);
  assert.equal(lines.at(-1), '(more is not shown)');
  assert.ok(lines.every((line) => line.length <= 300));
});
