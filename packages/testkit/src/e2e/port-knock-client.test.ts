import assert from 'node:assert/strict';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { KEYED } from '@postern/protocol';
import { type Ran, runProgramIn } from '../gate-process.ts';
import { DEVICE, GATE, Household } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const SERVICES =
  '[services.ssh]\nports = ["tcp/22"]\nseconds = 20\nprotect = true\nkeyed = true\n' +
  '[services.web]\nports = ["tcp/80"]\nseconds = 20\nprotect = true\nkeyed = true\nobserved_source = true\n';

/** A household whose gate has run long enough: a new one takes no keyed knock for up to a minute, which tests of the gate show. */
async function settled(): Promise<Household> {
  const house = await Household.build({ services: SERVICES });
  try {
    await house.gate.stop();
    using state = new DatabaseSync(join(house.gate.directory, 'state/state.db'));
    assert.equal(state.prepare("UPDATE meta SET value = x'' WHERE key = 'knock-young'").run().changes, 1);
  } catch (error) {
    await house[Symbol.asyncDispose]();
    throw error;
  }
  await house.gate.start();
  return house;
}

/** Waits until a slot has at least `seconds` left. */
async function roomInSlot(seconds: number): Promise<void> {
  const left = KEYED.slot / 1000 - (Date.now() % (KEYED.slot / 1000));
  if (left < seconds * 1000) await sleep(left + 50);
}

test(
  'the device knocks by its key: one knock a slot, by udp, tcp or both, over IPv4 and IPv6',
  { skip, timeout: 180_000 },
  async (context) => {
    await using house = await settled();
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    let devices = 0;
    /** Another device for each knock, as a device opens once a slot. */
    const device = (): ((...words: string[]) => Ran) => {
      const home = join(house.gate.directory, `home-${String(devices++)}`);
      if (devices === 1) house.join('alice', home);
      else {
        const { invite } = house.gate.json('invite', 'alice') as { invite: string };
        house.joinWith(invite, home);
      }
      return (...words) => runProgramIn(house.world, 'postern', words, { environment: { XDG_CONFIG_HOME: home } });
    };
    const opened = (): number =>
      (house.gate.json('status') as { knocking: { opened: { keyed: number } } }).knocking.opened.keyed;

    await context.test('--check connects; a second knock in the slot does nothing, and says why', async () => {
      const postern = device();
      await roomInSlot(15);
      assert.equal(await house.reaches(22, DEVICE[4], 300), false);
      const first = postern('knock', '--keyed', 'demo', 'ssh', '--check', 'tcp/22');
      assert.equal(first.code, 0, first.err + house.gate.log);
      assert.match(first.out, /^knocked for "ssh" on demo: 6[0-4] packets to 10\.77\.0\.1, bound to 10\.77\.0\.2\n/);
      assert.match(first.out, /\ntcp\/22 of 10\.77\.0\.1 is open\n$/);
      assert.equal(opened(), 1);
      const second = postern('knock', '--keyed', 'demo', '--json');
      assert.equal((JSON.parse(second.out) as { again: boolean }).again, true);
      await sleep(300);
      assert.equal(opened(), 1);
    });
  },
);
