import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { EXIT, programReference, replaceSection } from '@postern/terminal';
import { program } from './program.ts';

const FILE = join(import.meta.dirname, '../../../docs/reference/commands.md');

test('docs/reference/commands.md is made from the commands (POSTERN_WRITE_DOCS=1 makes it anew)', () => {
  const committed = readFileSync(FILE, 'utf8');
  const made = replaceSection(committed, program.name, programReference(program));
  if (process.env['POSTERN_WRITE_DOCS'] === '1') writeFileSync(FILE, made);
  else assert.equal(committed, made, 'run this test with POSTERN_WRITE_DOCS=1 and commit the result');
});

test('the page tells every exit code', () => {
  const page = readFileSync(FILE, 'utf8');
  for (const code of Object.values(EXIT)) assert.match(page, new RegExp(`\\b${code}\\b`), `${code}`);
});
