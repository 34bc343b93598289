import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rehearse } from './rehearsal.ts';

test('the rehearsal is a whole request: it ends without a refusal', () => {
  assert.doesNotThrow(rehearse);
});
