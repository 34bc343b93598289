import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deadlines } from './deadlines.ts';

const times = fc.integer({ min: 0, max: 30 });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add'), time: times }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take'), now: times }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('shift'), by: fc.integer({ min: -20, max: 20 }) }) },
);

test('whatever was added and moved, what is taken is the earliest of those that are due', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (history) => {
      const deadlines = new Deadlines();
      const model = new Map<string, number>();
      let names = 0;
      for (const next of history) {
        if (next.do === 'add') {
          const name = `name ${String(names++)}`;
          model.set(name, next.time);
          deadlines.add(next.time, name);
        } else if (next.do === 'shift') {
          deadlines.shift(next.by);
          for (const [name, time] of model) model.set(name, time + next.by);
        } else {
          const earliest = Math.min(...model.values());
          const taken = deadlines.take(next.now);
          if (earliest > next.now) assert.equal(taken, undefined);
          else assert.equal(model.get(taken ?? ''), earliest);
          model.delete(taken ?? '');
        }
        assert.equal(deadlines.size, model.size);
      }
    }),
  );
});
