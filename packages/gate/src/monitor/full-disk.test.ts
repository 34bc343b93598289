import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { Household } from '@postern/testkit/household';
import { namespacesAvailable } from '@postern/testkit/namespace';
import { until } from './until.fixture.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

/** Takes all the room that there is. */
function fill(file: string): void {
  for (const piece of [1 << 16, 1 << 12, 1]) {
    try {
      for (;;) writeFileSync(file, new Uint8Array(piece), { flag: 'a' });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

interface Status {
  readonly pid: number;
  readonly granted: number;
  readonly sentry: { readonly restarts: number };
  readonly refusals: Readonly<Record<string, number>>;
}

test(
  'a full disk: no record, so no grant that stays; the log says so once; with room again the same knock opens',
  { skip, timeout: 60_000 },
  async (context) => {
    await using house = await Household.build({
      start: false,
      services: '[services.ssh]\nports = ["tcp/22"]\nseconds = 300\nsingle_use = true\nprotect = true\n',
    });
    const { gate } = house;
    const state = join(gate.directory, 'state');
    const start = (size: string): Promise<void> =>
      gate.startProgram(join(import.meta.dirname, 'small-disk.fixture.ts'), [gate.config, state, size]);
    /** A file on the daemon's disk, which is mounted for the daemon alone. */
    const filler = (): string => `/proc/${String(gate.pid)}/root${join(state, 'filler')}`;
    const said = (): string[] => gate.log.match(/.*could not be recorded.*/g) ?? [];

    await start('1m');
    assert.ok(!existsSync(join(state, 'state.db')), 'its state is on a disk of its own');
    house.join();
    assert.equal((await house.posternLater('knock', 'demo', '-4')).code, 0);
    assert.equal(house.grants().length, 1);

    await context.test('full', async () => {
      fill(filler());
      const { pid } = gate;
      const knock = house.posternLater('knock', 'demo', '-4');
      await until(
        () => said().length > 0,
        'the refusal',
        () => gate.log,
      );
      const refused = (): number => (gate.json('status') as Status).refusals['record-failed'] ?? 0;
      await until(
        () => refused() >= 2 && said().length >= 2,
        'a second try',
        () => gate.log,
      );
      assert.equal(house.grants().length, 1);
      assert.deepEqual(said(), [
        // The first one opened, was taken back, and shows that the disk is full.
        'posternd: error: what is known of a grant could not be recorded error="database or disk is full"',
        'posternd: error: a request could not be recorded and was refused error="database or disk is full" ' +
          'hint="is the disk of the state directory full?"',
      ]);

      rmSync(filler());
      const knocked = await knock;
      assert.equal(knocked.code, 0, knocked.err);
      assert.equal(house.grants().length, 2);
      const status = gate.json('status') as Status;
      assert.deepEqual([status.pid, status.sentry.restarts, status.granted], [pid, 0, 2]);
    });

    await context.test('a log that was given its room at the start: knocks open on a full disk', async () => {
      await gate.stop();
      await start('16m');
      fill(filler());
      // Another disk, so another state: the device is told, and knocks once more by itself.
      const knocked = await house.posternLater('knock', 'demo', '-4');
      assert.equal(knocked.code, 0, knocked.err + gate.log);
      assert.equal(house.grants().length, 3);
    });

    await context.test('no room for a state at all: the daemon does not start, and says why', async () => {
      await gate.stop();
      await assert.rejects(start('16k'), /cannot (open|use) the state database \S+state\.db: /);
    });
  },
);
