/** docs/reference/limits.md says what the code says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './copy.ts';

test('every limit of the page is set where the page says, and its number stands in the row', () => {
  const page = readFileSync(join(ROOT, 'docs/reference/limits.md'), 'utf8');
  const rows = [...page.matchAll(/^\|[^|]*\|([^|]*)\|[^|]*\| `([^`]+)`: `([^`]+)`/gm)];
  assert.ok(rows.length > 20, String(rows.length));
  for (const [row, limit = '', file = '', line = ''] of rows) {
    assert.ok(readFileSync(join(ROOT, 'packages', file), 'utf8').includes(line), `${file} has no longer: ${line}`);
    // A limit in another unit than the code's cannot be compared by its digits.
    if (/MiB|days|12 s|^ 2 s|0\.1 s/.test(limit)) continue;
    for (const number of line.match(/(?<![A-Za-z_])\d[\d_]*/g) ?? []) {
      const shown = Number(number.replaceAll('_', '')).toLocaleString('en');
      assert.ok(limit.includes(shown), `${row}: ${shown} is missing`);
    }
  }
  assert.equal(rows.length, page.match(/`: `/g)?.length, 'every row was read');
});
