import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whileWaiting } from './progress.ts';
import { withHeadings } from './style.ts';

test('who waits longer than a second is told for what, and the line goes again', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const shown: string[] = [];
  const io = { passing: (line: string) => shown.push(line) };
  const work = Promise.withResolvers<number>();
  const waited = whileWaiting(io, 'waiting for web1', work.promise);
  t.mock.timers.tick(999);
  assert.deepEqual(shown, []);
  t.mock.timers.tick(1_001);
  work.resolve(7);
  assert.equal(await waited, 7);
  t.mock.timers.tick(5_000);
  assert.deepEqual(shown, ['waiting for web1 … 1 s', 'waiting for web1 … 2 s', '']);
});

test('what is quick, and what goes wrong, leaves no line behind', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const shown: string[] = [];
  const io = { passing: (line: string) => shown.push(line) };
  await whileWaiting(io, 'x', Promise.resolve());
  assert.deepEqual(shown, []);
  const work = Promise.withResolvers<never>();
  const waited = whileWaiting(io, 'x', work.promise);
  t.mock.timers.tick(1_000);
  work.reject(new Error('it failed'));
  await assert.rejects(waited, /it failed/);
  assert.deepEqual(shown, ['x … 1 s', '']);
  await whileWaiting({ passing: undefined }, 'x', Promise.resolve());
});

test('headings are bold where there are colours, and only headings', () => {
  const help = 'demo: a program\n\nUsage:\n  demo Thing:\n\nOptions of every command:\n  --x  Note: y';
  assert.equal(withHeadings(help, false), help);
  assert.equal(
    withHeadings(help, true),
    'demo: a program\n\n\u001b[1mUsage:\u001b[0m\n  demo Thing:\n\n\u001b[1mOptions of every command:\u001b[0m\n  --x  Note: y',
  );
});
