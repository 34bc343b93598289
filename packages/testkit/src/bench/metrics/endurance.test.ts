import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePage } from '../report/page.ts';
import { readRecord } from '../report/record.ts';
import { LONG_METRICS } from './all-metrics.ts';
import type { EnduranceResult } from './endurance.ts';

const read = (monitor: number) => ({ monitor, sentry: 40 });

test('a long run is told on the page from its JSON alone: what was accepted, what the kernel held, and memory at each point', () => {
  const result: EnduranceResult = {
    unit: 'MB',
    many: {
      ...{ sent: 1010, granted: 1000, perSecond: 899.6, before: read(50), standing: 27, left: 0 },
      parts: [60, 70, 62, 71].map(read),
    },
    day: {
      ...{ pace: 120, warmUp: 5, sent: 20, granted: 20, before: read(50), hours: [1, 24], standing: 3, left: 0 },
      reads: [read(51), read(52)],
    },
  };
  const [metric] = LONG_METRICS;
  const machine = readRecord('memory')?.machine;
  assert.ok(metric !== undefined && machine !== undefined);
  const { text } = makePage(LONG_METRICS, () => ({ metric: 'endurance', day: '2026-11-27', took: 1, machine, result }));
  for (const told of [
    '1,000 accepted knocks of 1,010, 900 a second',
    'held 27 grants, and 0 when',
    'at most 110 MB in their first half, and 111 MB in the second',
    'over 24 hours by a clock that runs 120 times as fast',
    '5 knocks came first, so that V8 grew to what it takes, and then 15, one in 20 s',
  ])
    assert.ok(text.includes(told), `${told}\n${text}`);
  for (const row of [/after 250 +\| +60/, /after 1,000 +\| +71/, /after 24 h +\| +52/]) assert.match(text, row);
  assert.doesNotMatch(text, /NaN|undefined/);
});
