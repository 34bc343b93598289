import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { finish, Leisure } from './leisure.ts';

/** A clock that stands, and work whose every step takes `milliseconds` of it. */
class Desk {
  now = 0;
  readonly done: string[] = [];
  readonly leisure: Leisure = new Leisure(() => this.now);

  *work(name: string, steps: number, milliseconds: number): Generator<undefined, string, undefined> {
    for (let step = 0; step < steps; step++) {
      this.now += milliseconds;
      this.done.push(`${name}${String(step)}`);
      yield undefined;
    }
    return name;
  }
}

test('work is done in pieces of a millisecond, and whatever else there is to do comes between two of them', async () => {
  const desk = new Desk();
  const work = desk.leisure.run(desk.work('a', 9, 0.4));
  const seen: number[] = [];
  for (let turns = 0; turns < 4; turns++) {
    seen.push(desk.done.length);
    await turn();
  }
  assert.deepEqual(seen, [0, 3, 6, 9]);
  assert.equal(await work, 'a');
});

test('two works take turns, and together they take no more of a turn than one', async () => {
  const desk = new Desk();
  const both = Promise.all([desk.leisure.run(desk.work('a', 4, 0.6)), desk.leisure.run(desk.work('b', 4, 0.6))]);
  await turn();
  assert.deepEqual(desk.done, ['a0', 'a1']);
  assert.deepEqual(await both, ['a', 'b']);
  assert.deepEqual(desk.done, ['a0', 'a1', 'b0', 'b1', 'a2', 'a3', 'b2', 'b3']);
});

test('a step that fails fails its work alone', async () => {
  const desk = new Desk();
  function* failing(): Generator<undefined, never, undefined> {
    yield undefined;
    throw new TypeError('broken');
  }
  const other = desk.leisure.run(desk.work('a', 4, 0.6));
  await assert.rejects(desk.leisure.run(failing()), /broken/);
  assert.equal(await other, 'a');
});

test('after disposal no step is taken any more, and none of later work', async () => {
  const desk = new Desk();
  void desk.leisure.run(desk.work('a', 4, 1));
  await turn();
  desk.leisure[Symbol.dispose]();
  void desk.leisure.run(desk.work('b', 4, 1));
  for (let turns = 0; turns < 4; turns++) await turn();
  assert.deepEqual(desk.done, ['a0']);
});

test('without anybody else all steps can be taken at once', () => {
  const desk = new Desk();
  assert.equal(finish(desk.work('a', 9, 5)), 'a');
  assert.equal(desk.done.length, 9);
});
