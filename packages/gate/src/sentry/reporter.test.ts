import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REFUSALS } from '@postern/protocol';
import { Reporter, REPORT_SPACING, SIGN_OF_LIFE } from './reporter.ts';

test('a change is reported within a second, no change every ten', () => {
  const reporter = new Reporter(0);
  assert.equal(reporter.due(0), SIGN_OF_LIFE);
  reporter.count('tag');
  assert.equal(reporter.due(200), REPORT_SPACING - 200);
  assert.equal(reporter.due(5_000), 0);
  reporter.reported(5_000);
  assert.equal(reporter.due(5_000), SIGN_OF_LIFE);
});

test('a report that did not fit the line is tried again a second later', () => {
  const reporter = new Reporter(0);
  reporter.count('tag');
  reporter.postponed(1_000);
  assert.equal(reporter.due(1_000), REPORT_SPACING);
});

test('each refusal has a counter of its own', () => {
  const reporter = new Reporter(0);
  REFUSALS.forEach((refusal, index) => {
    for (let count = 0; count <= index; count++) reporter.count(refusal);
  });
  assert.deepEqual(
    [...reporter.counters],
    REFUSALS.map((_, index) => index + 1),
  );
});
