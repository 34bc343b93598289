import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ACCESS_VARIABLES } from './access-file.ts';
import { MEANINGLESS, MEANT } from './settings.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../../../docs/fwknop.md'), 'utf8');

/** What the first column of the table of a section names, in order. */
function listed(heading: string): string[] {
  const from = PAGE.indexOf(`\n${heading}\n`);
  assert.notEqual(from, -1, heading);
  const section = PAGE.slice(from + 1, PAGE.indexOf('\n## ', from + heading.length));
  return [...section.matchAll(/^\| (`[^|]*)\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

const INCLUDES = ['%include', '%include_folder', '%include_keys'];

test('the page says what becomes of every variable of access.conf, once', () => {
  assert.deepEqual(listed('## access.conf').sort(), [...ACCESS_VARIABLES, ...INCLUDES].sort());
});

test('the page says what becomes of every variable of fwknopd.conf, once', () => {
  assert.deepEqual(listed('## fwknopd.conf').sort(), [...MEANT, ...Object.keys(MEANINGLESS)].sort());
});
