import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { fwknopdAvailable } from '../fwknopd.ts';
import { knockdAvailable } from '../knockd.ts';
import { namespacesAvailable } from '../namespace.ts';
import { smoke } from './smoke.ts';

const able = namespacesAvailable() && fwknopdAvailable() && knockdAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT, fwknopd AND knockd: script/bootstrap test';

test(
  'native knocks are several times faster than the peers, and a flood keeps none of them out',
  { skip },
  async (context) => {
    const { ok, lines } = await smoke(() => undefined);
    for (const line of lines) context.diagnostic(line);
    assert.ok(ok, lines.join('\n'));
  },
);
