import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownTable } from './markdown-table.ts';

test('a table is as wide as its widest cells, and its numbers stand under one another', () => {
  const lines = markdownTable({
    head: ['', 'µs'],
    align: 'lr',
    rows: [
      ['a door', '1.5'],
      ['x', '–'],
    ],
  });
  assert.deepEqual(lines, ['|        |  µs |', '| ------ | --: |', '| a door | 1.5 |', '| x      |   – |']);
});
