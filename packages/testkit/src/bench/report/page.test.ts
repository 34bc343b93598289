import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LONG_METRICS, METRICS, PAGE_METRICS } from '../metrics/all-metrics.ts';
import { makePage } from './page.ts';
import { PAGE, PLOTS, readRecord, revive } from './record.ts';

test('the page of benchmarks and its pictures are what script/bench report makes of the raw data', () => {
  const { text, pictures } = makePage(PAGE_METRICS, readRecord);
  assert.ok(existsSync(PAGE), 'script/bench report writes it');
  assert.equal(readFileSync(PAGE, 'utf8'), text);
  for (const [name, svg] of pictures) assert.equal(readFileSync(join(PLOTS, `${name}.svg`), 'utf8'), svg, name);
});

test('every metric is measured, on one machine', () => {
  const records = METRICS.map(({ name }) => readRecord(name) ?? assert.fail(`script/bench all ${name}`));
  // Long ones may be missing.
  records.push(...LONG_METRICS.flatMap(({ name }) => readRecord(name) ?? []));
  const machines = new Set(records.map(({ machine: { load: _, ...machine } }) => JSON.stringify(machine)));
  assert.equal(machines.size, 1);
});

test('what was lost or never answered is told without a number', () => {
  const blank = (key: string, value: unknown): unknown =>
    ['min', 'median', 'p99', 'perSecond', 'worst'].includes(key) ? null : value;
  const { text } = makePage(PAGE_METRICS, (name) => {
    const record = readRecord(name);
    return record && { ...record, result: revive(JSON.stringify(record.result, blank)) };
  });
  assert.doesNotMatch(text, /NaN|null|undefined|Infinity/);
});
