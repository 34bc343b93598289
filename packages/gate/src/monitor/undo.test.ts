import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { runProgramIn } from '@postern/testkit/gate-process';
import { Household } from '@postern/testkit/household';
import { namespacesAvailable } from '@postern/testkit/namespace';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

test(
  'undo opens in the kernel first, also when the configuration cannot be written, and says what is left to do',
  { skip, timeout: 60_000 },
  async () => {
    await using house = await Household.build({ services: '[services.ssh]\nports = ["tcp/22"]\nprotect = true\n' });
    const { gate } = house;
    const rules = (): string => house.gateSide.run('nft', ['list', 'set', 'inet', 'postern', 'protected']);
    assert.match(rules(), /elements = /);
    // The daemon cannot write its own; the command finds it by another.
    const other = join(gate.directory, 'other.toml');
    writeFileSync(other, readFileSync(gate.config));
    writeFileSync(gate.config, 'somebody = [is editing');
    const { out, err } = runProgramIn(house.gateSide, 'posternd', ['undo', '--all', '--json', '--config', other]);
    assert.doesNotMatch(rules(), /elements = /, err);
    const { services, running, byHand } = JSON.parse(out) as Record<string, unknown>;
    assert.deepEqual([services, running], [['ssh'], true]);
    assert.match(String(byHand), /posternd\.toml/);
  },
);
