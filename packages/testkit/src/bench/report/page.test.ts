import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { METRICS } from '../metrics/all-metrics.ts';
import { makePage } from './page.ts';
import { PAGE, PLOTS, readRecord } from './record.ts';

test('the page of benchmarks and its pictures are what script/bench report makes of the raw data', () => {
  const { text, pictures } = makePage(METRICS, readRecord);
  assert.ok(existsSync(PAGE), 'script/bench report writes it');
  assert.equal(readFileSync(PAGE, 'utf8'), text);
  for (const [name, svg] of pictures) assert.equal(readFileSync(join(PLOTS, `${name}.svg`), 'utf8'), svg, name);
});

test('every metric is measured, on one machine', () => {
  const records = METRICS.map(({ name }) => readRecord(name) ?? assert.fail(`script/bench all ${name}`));
  const machines = new Set(records.map(({ machine: { load: _, ...machine } }) => JSON.stringify(machine)));
  assert.equal(machines.size, 1);
});
