import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdIndex } from './id-index.ts';

const step = fc.record({
  do: fc.constantFrom('add', 'delete'),
  key: fc.constantFrom('a', 'b'),
  id: fc.constantFrom('one', 'two', 'three'),
});

test('whatever was added and deleted, each key has its ids, each once and in order, and a key without any is none', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (history) => {
      const index = new IdIndex();
      const model: Record<string, string[]> = { a: [], b: [] };
      for (const { do: verb, key, id } of history) {
        const before = model[key] ?? [];
        if (verb === 'add') {
          index.add(key, id);
          if (!before.includes(id)) before.push(id);
        } else {
          index.delete(key, id);
          model[key] = before.filter((other) => other !== id);
        }
        for (const [name, ids] of Object.entries(model)) assert.deepEqual([...index.of(name)], ids);
        const held = Object.keys(model).filter((name) => model[name]?.length !== 0);
        assert.deepEqual([...index.keys()].sort(), held);
      }
    }),
  );
});
