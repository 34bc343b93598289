import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FWKNOP_OPTIONS } from './options.ts';
import { FWKNOPRC_VARIABLES } from './variables.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../../docs/fwknop.md'), 'utf8');
const section = PAGE.slice(PAGE.indexOf('\n## The client\n'), PAGE.indexOf('\n## What a taken-over'));
const [, differs = '', same = '', variables = ''] =
  /\n(\| option.*?)\n\n(Other options .*?)\n\n.*?<!-- variables -->\n\n(.*?)\n\n/s.exec(section) ?? [];

function named(text: string): string[] {
  return [...text.matchAll(/`(?:--)?([^`]+)`/g)].map(([, name = '']) => name).sort();
}

test('the page names every option of fwknop’s client once: as different, or as the same', () => {
  const column = [...differs.matchAll(/^\| (`[^|]*)\|/gm)].map(([, cell = '']) => cell).join(' ');
  const options = FWKNOP_OPTIONS.map(({ name }) => name);
  assert.deepEqual([...named(column), ...named(same)].sort(), options.sort());
});

test('the page names every variable of ~/.fwknoprc', () => {
  assert.deepEqual(named(variables), [...FWKNOPRC_VARIABLES].sort());
});
